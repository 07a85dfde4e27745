//! What tokens allow and how long, against tokens that other implementations made.
//!
//! `ZEGO` was made with Python's cryptography 50.0: AES-256-CBC of the sorted, compact JSON under `SECRET` and the
//! vector `abcdefgh01234567`, padded by PKCS #7, framed with `struct.pack(">qH", 1700000600, 16)`. `LIVEKIT` was
//! made with PyJWT 2.15.1: `jwt.encode(claims, SECRET, algorithm="HS256", sort_headers=True)`.

use std::io::Write;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ZEGO: &str = concat!(
    "04AAAAAGVT81gAEGFiY2RlZmdoMDEyMzQ1NjcAwHo8VSvuHQEa1PK5tdkLk8X54zrg0fUIOvleSmX/x8WBc7AozweGiGxG4dLlEa",
    "wQ5sJEllNiHSCps6SWuMO039Uxd2m1JbbyvSRJTMfwIFDwTNX61vMtjlOGghtbXlqCKN47XUICAS4rqZg7uQHZX+yxF9CRJ3Kxx3",
    "YKBZSJ1XkXpndyPIEdb2sYR+aa3nHbZf8Rx/AHx+nA/gEZw5yLBbYCsTt6NrF5093gOtE/eHeGyn6BMdXHkRw/jmoKY2YJ4g==",
);
const LIVEKIT: &str = concat!(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDAwODY0MDAsImlzcyI6ImtleSIsIm5iZiI6MTcwMDAwMDAwMCw",
    "ic3ViIjoiMTAwMDAwMDAxIiwidmlkZW8iOnsiY2FuUHVibGlzaCI6ZmFsc2UsImNhblB1Ymxpc2hEYXRhIjpmYWxzZSwiY2FuU3V",
    "ic2NyaWJlIjp0cnVlLCJyb29tIjoiMTIzNDU2Nzg5Iiwicm9vbUpvaW4iOnRydWV9fQ.ORyAjsJD3GhpT251AUP95gvekQXI_mze",
    "d5jmy59ipB8",
);

fn grant() -> Grant {
    Grant {
        uid: 100_000_001.try_into().unwrap(),
        room: Some("123456789".parse().unwrap()),
        on_stage: true,
        issued_at: Millis(1_700_000_000_000),
        ttl: Duration::ZERO,
    }
}

fn zego() -> zego::Issuer {
    zego::Issuer::new(1_234_567_890, SECRET).unwrap()
}

fn livekit() -> livekit::Issuer {
    livekit::Issuer::new("key", SECRET.to_owned())
}

#[test]
fn a_token04_is_as_others_make_it() {
    let chance = zego::Chance { nonce: -7, vector: *b"abcdefgh01234567" };
    assert_eq!(zego().seal(&grant(), Millis(1_700_000_600_000), &chance), ZEGO);
    assert_ne!(
        zego().issue(&grant(), Millis(0)),
        zego().issue(&grant(), Millis(0)),
        "each has its own vector"
    );
}

#[test]
fn a_jwt_is_as_others_make_it() {
    assert_eq!(livekit().issue(&grant(), Millis(1_700_086_400_000)), LIVEKIT);
}

#[test]
fn no_token_outlives_what_it_allows() {
    let lives = |tokens: &MediaTokens, on_stage, ttl| {
        let grant = Grant { on_stage, ttl: Duration::from_secs(ttl), ..grant() };
        (tokens.issue(&grant).expires_at.0 - grant.issued_at.0) / 1_000
    };
    let (zego, livekit) = (MediaTokens::Zego(zego()), MediaTokens::Livekit(livekit()));
    for ttl in [0, 86_400, u64::from(u32::MAX)] {
        assert_eq!(lives(&MediaTokens::None, true, ttl), 86_400);
        assert_eq!(lives(&zego, false, ttl), 86_400);
        assert_eq!(lives(&zego, true, ttl), 600, "it lets its holder publish");
        assert_eq!(lives(&livekit, true, ttl), 86_400, "it lets nobody publish");
    }
    assert_eq!(lives(&zego, true, 60), 60);
}

#[test]
fn outside_of_a_room_a_token_is_there_and_admits_nowhere() {
    let lobby = Grant { room: None, on_stage: false, ..grant() };
    for tokens in [MediaTokens::None, MediaTokens::Zego(zego()), MediaTokens::Livekit(livekit())] {
        assert!(tokens.issue(&lobby).token.len() >= 64);
    }
    let claims = zego().claims(&lobby, Millis(0), 0);
    assert!(claims.contains(r#"{\"privilege\":{\"1\":0,\"2\":0},\"room_id\":\"\""#), "{claims}");
    let claims = livekit().claims(&lobby, Millis(0));
    assert_eq!(
        (&claims["video"]["roomJoin"], &claims["video"]["canSubscribe"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn what_a_provider_needs_is_asked_for_by_name() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{SECRET}").unwrap();
    let none = MediaArgs {
        media_tokens: Provider::None,
        zego_app_id: 0,
        zego_secret_file: None,
        livekit_key: String::new(),
        livekit_secret_file: None,
    };
    let refused = |args: &MediaArgs, what: &str| {
        let error = format!("{:#}", MediaTokens::new(args).err().unwrap());
        assert!(error.contains(what), "{error}");
    };
    assert!(MediaTokens::new(&none).is_ok());
    let mut args = MediaArgs { media_tokens: Provider::Zego, ..none.clone() };
    refused(&args, "GOCHAT_ZEGO_APP_ID");
    args.zego_app_id = 7;
    refused(&args, "GOCHAT_ZEGO_SECRET_FILE");
    args.zego_secret_file = Some(file.path().to_owned());
    assert!(MediaTokens::new(&args).is_ok());
    let mut args = MediaArgs { media_tokens: Provider::Livekit, ..none };
    refused(&args, "GOCHAT_LIVEKIT_KEY");
    args.livekit_key = "key".to_owned();
    refused(&args, "GOCHAT_LIVEKIT_SECRET_FILE");
    args.livekit_secret_file = Some(file.path().to_owned());
    assert!(MediaTokens::new(&args).is_ok());
    write!(file, "x").unwrap();
    let secret = args.livekit_secret_file.take();
    args = MediaArgs { media_tokens: Provider::Zego, zego_app_id: 7, zego_secret_file: secret, ..args };
    refused(&args, "32 characters");
}
