"""Calls to services that this program learns of from the servers themselves, by reflection."""

import queue
import threading

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

# Seconds that one call, or one wait for an event, may take.
PATIENCE = 10
# Frames that a stream may be ahead of its reader; a full queue holds the stream back.
AHEAD = 256


class Service:
    """One service of one server; `Service(...).Login(nick_name="Ann")` calls it."""

    def __init__(self, address, name):
        self.name = name
        self._channel = grpc.insecure_channel(address)
        self._database = ProtoReflectionDescriptorDatabase(self._channel)
        pool = descriptor_pool.DescriptorPool(self._database)
        self._methods = pool.FindServiceByName(name).methods_by_name

    def served(self):
        """The names of all services that the server tells of."""
        return set(self._database.get_services())

    def health(self, name):
        """The health of a service of this server ("" for the whole): SERVING, NOT_SERVING …"""
        request = health_pb2.HealthCheckRequest(service=name)
        answer = health_pb2_grpc.HealthStub(self._channel).Check(request, timeout=PATIENCE)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def call(self, method, token=None, **fields):
        """Calls a method; raises grpc.RpcError where it is turned down."""
        open_call, request = self._prepare(method, fields)
        return open_call(request, timeout=PATIENCE, metadata=bearer(token))

    def stream(self, method, token=None, **fields):
        """Opens a stream of the server's; its frames come by `Stream.until`."""
        open_call, request = self._prepare(method, fields)
        return Stream(open_call(request, metadata=bearer(token)))

    def _prepare(self, method, fields):
        descriptor = self._methods[method]
        request = message_factory.GetMessageClass(descriptor.input_type)
        answer = message_factory.GetMessageClass(descriptor.output_type)
        make = self._channel.unary_stream if descriptor.server_streaming else self._channel.unary_unary
        path = f"/{self.name}/{method}"
        open_call = make(path, request.SerializeToString, answer.FromString)
        return open_call, request(**fields)

    def close(self):
        """Ends every call and stream on the service."""
        self._channel.close()


class Stream:
    """The frames of a stream, in order; all that were read stay in `seen`."""

    def __init__(self, call):
        self.seen = []
        self._call = call
        self._frames = queue.Queue(AHEAD)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for frame in self._call:
                self._frames.put(frame)
            self._frames.put(EOFError("the stream ended"))
        except grpc.RpcError as error:
            self._frames.put(error)

    def until(self, wanted):
        """Reads on to the first frame for which `wanted` gives something, and gives that."""
        while True:
            try:
                frame = self._frames.get(timeout=PATIENCE)
            except queue.Empty:
                raise TimeoutError(f"nothing came for {PATIENCE} s; seen so far: {self.seen}") from None
            if isinstance(frame, Exception):
                raise frame
            self.seen.append(frame)
            found = wanted(frame)
            if found:
                return found


def bearer(token):
    """The metadata of a caller who shows this token."""
    return [("authorization", f"Bearer {token}")] if token else []


def name_of(message, field):
    """The name of the value that an enum field of the message holds."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return values[getattr(message, field)].name


def details(error):
    """What an error carries beside code and text: its ErrorInfo and its BadRequest, or None."""
    info, bad_request = None, None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad_request = error_details_pb2.BadRequest.FromString(detail.value)
    return info, bad_request
