// Runs in the page: calls the services themselves by gRPC-Web, with messages written by hand.

const grpcWeb = (() => {
  const TRAILERS = 0x80;

  /** A protobuf message whose fields, by number, are texts. */
  function message(fields) {
    const parts = Object.entries(fields).flatMap(([number, text]) => {
      const bytes = new TextEncoder().encode(text);
      if (bytes.length > 127) throw new Error('longer than a length of one byte says');
      return [(number << 3) | 2, bytes.length, ...bytes];
    });
    return Uint8Array.from([0, 0, 0, 0, parts.length, ...parts]);
  }

  /** The field of this number in a message, if it is a text or a message. */
  function field(bytes, wanted) {
    let at = 0;
    const varint = () => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value += (byte & 127) * 2 ** shift;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.length) {
      const key = varint();
      const [number, kind] = [key >> 3, key & 7];
      if (kind === 0) varint();
      else if (kind === 1) at += 8;
      else if (kind === 2) {
        const end = varint() + at;
        if (number === wanted) return bytes.subarray(at, end);
        at = end;
      } else throw new Error(`a field of kind ${kind}`);
    }
    return undefined;
  }

  const text = (bytes) => new TextDecoder().decode(bytes);

  /** Each frame of an answer, as `{ message }` or `{ trailers }`. */
  async function* frames(response) {
    const reader = response.body.getReader();
    let came = new Uint8Array();
    for (;;) {
      const end = came.length < 5 ? Infinity : 5 + new DataView(came.buffer, came.byteOffset).getUint32(1);
      if (came.length >= end) {
        const frame = came.subarray(5, end);
        yield came[0] === TRAILERS ? { trailers: text(frame) } : { message: frame };
        came = came.slice(end);
        continue;
      }
      const { done, value } = await reader.read();
      if (done) return;
      came = Uint8Array.from([...came, ...value]);
    }
  }

  async function call(base, method, fields, token) {
    const headers = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' };
    if (token) headers.authorization = `Bearer ${token}`;
    return fetch(`${base}/gochat.${method}`, { method: 'POST', headers, body: message(fields) });
  }

  return { call, frames, field, text };
})();
