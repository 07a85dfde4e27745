//! A client's offer and the answer to it: what it may hold, and the session that comes of it.

use std::{net::SocketAddr, panic::AssertUnwindSafe, time::Instant};

use rand::RngExt;
use str0m::{
    Candidate, IceCreds, Rtc, RtcConfig,
    change::SdpOffer,
    config::DtlsCert,
    crypto,
    format::{Codec, CodecConfig, CodecSpec, FormatParams, PayloadParams},
    media::{Direction, Mid, Pt},
    rtp::{Extension, ExtensionMap},
};

use super::{peer::Ear, rewrite::Line};
use crate::engine::Refused;

/// The longest offer that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;
/// Lines that an offer may have: one to send, and these to receive.
const MOST_LINES: usize = 1 + 32;
/// What Opus is numbered, unless the offer numbers it otherwise.
const OPUS: u8 = 111;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What every answer has in common.
pub(super) struct Answerer {
    config: RtcConfig,
    slots: usize,
}

/// A session that was agreed upon and hasn't begun.
pub(super) struct Agreed {
    pub(super) rtc: Rtc,
    /// Unguessable.
    pub(super) session: String,
    /// By this a first datagram tells whose it is.
    pub(super) ufrag: String,
    /// By slot, where each is heard.
    pub(super) lines: Vec<Ear>,
    pub(super) sdp: String,
    /// The mids of `lines`.
    pub(super) mids: Vec<String>,
}

impl Answerer {
    /// One certificate serves all sessions of an engine.
    ///
    /// # Errors
    /// Where none can be made.
    pub(super) fn new(slots: u32) -> anyhow::Result<Self> {
        let provider = crypto::from_feature_flags();
        let cert: DtlsCert = provider
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| anyhow::anyhow!("no certificate for DTLS could be made"))?;
        let mut exts = ExtensionMap::empty();
        exts.set(1, Extension::AudioLevel);
        exts.set(4, Extension::RtpMid);
        let mut config = RtcConfig::new()
            .set_crypto_provider(provider.into())
            .set_dtls_cert(cert)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .set_send_buffer_audio(1)
            .set_extension_map(exts);
        *config.codec_config() = CodecConfig::new_from_payload_params(vec![opus()]);
        Ok(Self { config, slots: slots as usize })
    }

    /// Agrees upon a session that is reached at `addresses`. Takes a processor for milliseconds.
    ///
    /// # Errors
    /// [`Refused::Offer`], in words of our own: a parser's hold addresses and whatever else it read.
    pub(super) fn answer(&self, offer: &str, addresses: &[SocketAddr]) -> Result<Agreed, Refused> {
        check(offer)?;
        // What the parser can't cope with ends here.
        std::panic::catch_unwind(AssertUnwindSafe(|| self.agree(offer, addresses))).unwrap_or_else(|_| {
            tracing::error!("the answer to an offer panicked");
            Err(Refused::Offer("it can't be answered"))
        })
    }

    fn agree(&self, offer: &str, addresses: &[SocketAddr]) -> Result<Agreed, Refused> {
        let parsed = SdpOffer::from_sdp_string(&without_candidates(offer)).map_err(|error| {
            tracing::debug!(%error, "an offer is no sdp");
            Refused::Offer("it is no session description")
        })?;
        // Those that str0m would draw itself are not from a source that can't be foreseen.
        let ufrag = random(16);
        let creds = IceCreds { ufrag: ufrag.clone(), pass: random(32) };
        let mut rtc = self.config.clone().set_local_ice_credentials(creds).build(Instant::now());
        for address in addresses {
            rtc.add_local_candidate(Candidate::host(*address, "udp").map_err(|error| {
                tracing::error!(%error, %address, "this address can't be advertised");
                Refused::Unavailable
            })?);
        }
        let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| {
            tracing::debug!(%error, "an offer can't be answered");
            Refused::Offer("it can't be answered")
        })?;
        let pt = number_of_opus(&rtc)?;
        let mids = receiving(&rtc, offer, pt)?;
        let lines = lines(&mut rtc, &mids[..mids.len().min(self.slots)], pt)?;
        let mids = lines.iter().map(|line| line.mid.to_string()).collect();
        Ok(Agreed { rtc, session: random(32), ufrag, lines, sdp: answer.to_sdp_string(), mids })
    }
}

/// Forwarded as it is; silence needn't be sent, and losses are made good by what follows.
fn opus() -> PayloadParams {
    let format = FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        use_dtx: Some(true),
        stereo: Some(false),
        ..Default::default()
    };
    let spec = CodecSpec {
        codec: Codec::Opus,
        clock_rate: str0m::media::Frequency::FORTY_EIGHT_KHZ,
        channels: Some(2),
        format,
    };
    let mut opus = PayloadParams::new(Pt::from(OPUS), None, spec);
    opus.set_fb_transport_cc(false);
    opus
}

/// What is seen without a parser: bounds first.
fn check(offer: &str) -> Result<(), Refused> {
    if offer.len() > LONGEST {
        return Err(Refused::Offer("it is longer than 64 KiB"));
    }
    let lines = offer.lines().filter(|line| line.starts_with("m="));
    if lines.clone().any(|line| !line.starts_with("m=audio ")) {
        return Err(Refused::Offer("only lines of audio are answered"));
    }
    match lines.count() {
        0 => Err(Refused::Offer("it has no line of audio")),
        1..=MOST_LINES => Ok(()),
        _ => Err(Refused::Offer("it has too many lines")),
    }
}

/// An offer without its candidates: who answers as ICE-lite only waits, and needs none.
fn without_candidates(offer: &str) -> String {
    offer.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate:")).collect()
}

/// The mids on which the client receives, in order.
fn receiving(rtc: &Rtc, offer: &str, opus: Pt) -> Result<Vec<Mid>, Refused> {
    let (mut sending, mut receiving) = (0, Vec::new());
    for mid in offer.lines().filter_map(|line| line.strip_prefix("a=mid:")) {
        let mid = Mid::from(mid.trim());
        let media = rtc.media(mid).ok_or(Refused::Offer("it can't be answered"))?;
        if !media.remote_pts().contains(&opus) {
            return Err(Refused::Offer("each of its lines must offer opus"));
        }
        match media.direction() {
            Direction::RecvOnly => sending += 1,
            Direction::SendOnly => receiving.push(mid),
            _ => return Err(Refused::Offer("each line must be either sendonly or recvonly")),
        }
    }
    match sending {
        1 => Ok(receiving),
        _ => Err(Refused::Offer("it must have one sendonly line, and the rest recvonly")),
    }
}

/// What Opus is numbered in this session.
fn number_of_opus(rtc: &Rtc) -> Result<Pt, Refused> {
    let opus = rtc.codec_config().find(|params| params.spec().codec == Codec::Opus);
    opus.map(PayloadParams::pt).ok_or(Refused::Unavailable)
}

/// Where each slot is going to be heard.
fn lines(rtc: &mut Rtc, mids: &[Mid], pt: Pt) -> Result<Vec<Ear>, Refused> {
    let ear = |&mid| {
        let mut direct = rtc.direct_api();
        let ssrc = direct.stream_tx_by_mid(mid, None)?.ssrc();
        // Below 32,768, so that a receiver that misses the first packets doesn't miscount the rollovers.
        Some(Ear { mid, ssrc, pt, line: Line::new(rand::random::<u16>() >> 1, rand::random()) })
    };
    mids.iter().map(ear).collect::<Option<_>>().ok_or(Refused::Unavailable)
}

/// Letters and digits that nobody can foresee; ICE allows just these.
fn random(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium offers a line, with what it has beside Opus.
    const CHROMIUM: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
        a=rtcp:9 IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 2ec1d5b5-6ac5-4c9f-8c3a-c5c4bb1d7b6b.local 50000 typ host generation 0\r\n\
        a=ice-ufrag:sXbN\r\na=ice-pwd:3z1dVdlUmQ5yXxE0pUBkM1cF\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 E3:29:4A:33:7A:0D:5E:04:95:2E:F7:5F:8C:3B:5B:6B:6F:24:4B:17:9A:61:7C:D9:41:7C:64:5F:\
        6B:53:9C:F6\r\na=setup:actpass\r\na=mid:MID\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=DIRECTION\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
        a=rtpmap:126 telephone-event/8000\r\n";
    /// As Firefox does; it numbers Opus and extensions otherwise.
    const FIREFOX: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\nc=IN IP4 0.0.0.0\r\na=DIRECTION\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n\
        a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\na=fmtp:101 0-15\r\n\
        a=ice-pwd:d7ee1f5a3a4b8b9be0a5a3c8b5dd9cd5\r\na=ice-ufrag:7d2f9f0c\r\na=mid:MID\r\na=rtcp-mux\r\n\
        a=rtpmap:109 opus/48000/2\r\na=rtpmap:9 G722/8000/1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=setup:actpass\r\n";

    fn offer(session: &str, line: &str) -> String {
        let head = "v=0\r\no=- 5317 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n";
        let lines = ["sendonly", "recvonly", "recvonly"]
            .into_iter()
            .enumerate()
            .map(|(mid, direction)| line.replace("MID", &mid.to_string()).replace("DIRECTION", direction));
        lines.fold(format!("{head}{session}"), |offer, line| offer + &line)
    }

    #[test]
    fn browsers_are_answered() {
        let fingerprint = "a=fingerprint:sha-256 E3:29:4A:33:7A:0D:5E:04:95:2E:F7:5F:8C:3B:5B:6B:6F:24:4B:17:\
            9A:61:7C:D9:41:7C:64:5F:6B:53:9C:F6\r\na=ice-options:trickle\r\na=msid-semantic:WMS *\r\n";
        let answerer = Answerer::new(10).unwrap();
        let address = "192.0.2.1:7882".parse().unwrap();
        // With bundlePolicy `max-bundle`.
        let first = CHROMIUM.replace("MID", "0").replace("DIRECTION", "sendonly");
        let bundled = offer("", &(CHROMIUM.replace("m=audio 9 ", "m=audio 0 ") + "a=bundle-only\r\n"));
        let (_, rest) = bundled.split_once("a=bundle-only\r\n").unwrap();
        let bundled = [&offer("", ""), &first, rest].concat();
        for (offer, opus) in [
            (bundled, 111),
            (offer("a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n", CHROMIUM), 111),
            (offer(&format!("a=sendrecv\r\n{fingerprint}"), FIREFOX), 109),
        ] {
            let agreed = answerer.answer(&offer, &[address]).unwrap();
            assert_eq!(agreed.mids, ["1", "2"]);
            let codecs = format!("m=audio 9 UDP/TLS/RTP/SAVPF {opus}\r\n");
            assert_eq!(agreed.sdp.matches(&codecs).count(), 3, "opus alone in {}", agreed.sdp);
            assert!(agreed.sdp.contains("192.0.2.1 7882 typ host") && agreed.sdp.contains(&agreed.ufrag));
        }
    }

    #[test]
    fn nothing_is_drawn_twice() {
        let answerer = Answerer::new(10).unwrap();
        let offer = offer("", CHROMIUM);
        let agree = || answerer.answer(&offer, &[]).unwrap();
        let (one, two) = (agree(), agree());
        assert!(one.session != two.session && one.ufrag != two.ufrag);
        assert!(one.session.len() == 32 && one.session.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn no_offer_panics_or_is_refused_with_what_it_holds() {
        let answerer = Answerer::new(10).unwrap();
        let whole = offer("", CHROMIUM);
        for cut in (0..whole.len()).step_by(7) {
            let damaged = [&whole[..cut], "SECRET", &whole[(cut + 3).min(whole.len())..]].concat();
            if let Err(Refused::Offer(why)) = answerer.answer(&damaged, &[]) {
                assert!(!why.contains("SECRET") && why.len() < 80, "{why}");
            }
        }
    }
}
