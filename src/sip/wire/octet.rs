//! Classes of octets in the grammar of RFC 3261 25.1, as one table.

const TOKEN: u8 = 1;
const USER: u8 = 1 << 1;
const PASSWORD: u8 = 1 << 2;
const URI_PARAMETER: u8 = 1 << 3;
const URI_HEADERS: u8 = 1 << 4;
const HOST: u8 = 1 << 5;
const VALUE: u8 = 1 << 6;
const UNRESERVED: u8 = 1 << 7;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0x21;
    while octet < 0x7f {
        let o = octet as u8;
        let mut class = 0;
        let mark = matches!(o, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        if o.is_ascii_alphanumeric() || mark {
            class |= UNRESERVED | USER | PASSWORD;
        }
        if o.is_ascii_alphanumeric()
            || matches!(o, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            class |= TOKEN;
        }
        if matches!(o, b'%' | b'&' | b'=' | b'+' | b'$' | b',') {
            class |= USER | PASSWORD;
        }
        if matches!(o, b';' | b'?' | b'/') {
            class |= USER;
        }
        // RFC 3261 allows less in URI parameters and headers; what delimits nothing is let through.
        if !matches!(o, b';' | b'?' | b'<' | b'>' | b'@' | b'#') {
            class |= URI_PARAMETER;
        }
        if !matches!(o, b'<' | b'>' | b'@' | b'#') {
            class |= URI_HEADERS;
        }
        if o.is_ascii_alphanumeric() || matches!(o, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if !matches!(o, b';' | b',' | b'"' | b'<' | b'>') {
            class |= VALUE;
        }
        table[octet] = class;
        octet += 1;
    }
    table
}

const fn is(octet: u8, class: u8) -> bool {
    CLASSES[octet as usize] & class != 0
}

/// An octet of `token`.
pub const fn is_token(octet: u8) -> bool {
    is(octet, TOKEN)
}

/// An octet of the user part of a URI, `%` included.
pub const fn is_user(octet: u8) -> bool {
    is(octet, USER)
}

/// An octet of the password of a URI, `%` included.
pub const fn is_password(octet: u8) -> bool {
    is(octet, PASSWORD)
}

/// An octet of a URI parameter, `=` and `%` included.
pub const fn is_uri_parameter(octet: u8) -> bool {
    is(octet, URI_PARAMETER)
}

/// An octet of the headers of a URI, separators and `%` included.
pub const fn is_uri_headers(octet: u8) -> bool {
    is(octet, URI_HEADERS)
}

/// An octet of a host name or IPv4 address; the underscore is in use although the grammar lacks it.
pub const fn is_host(octet: u8) -> bool {
    is(octet, HOST)
}

/// An octet of an unquoted parameter value: more than `gen-value` allows, but nothing that delimits.
pub const fn is_value(octet: u8) -> bool {
    is(octet, VALUE)
}

/// `unreserved`: the octets that mean the same escaped and plain (RFC 3261 19.1.4).
pub const fn is_unreserved(octet: u8) -> bool {
    is(octet, UNRESERVED)
}

/// An octet of linear white space. CR and LF stand in a header value only as part of a fold.
pub const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_holds_the_octets_of_the_grammar_and_no_other() {
        let token: Vec<u8> = (0..=255).filter(|o| is_token(*o)).collect();
        assert_eq!(
            token,
            b"!%'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_`abcdefghijklmnopqrstuvwxyz~".to_vec()
        );
    }

    #[test]
    fn no_class_holds_control_octets_space_or_octets_beyond_ascii() {
        assert!((0..=0x20).chain(0x7f..=255).all(|o| CLASSES[o] == 0));
    }
}
