use std::fmt;

use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext, ServerCtx},
    error::MajorFlags,
    util::{GssIov, GssIovFake, GssIovType},
};

use super::{
    failure::Failure,
    token::{HEADER, Token},
    window::Window,
};
use crate::{
    error::BoxError,
    gssapi::{Context, Unwrapped},
};

/// The longest header: that in clear, and the confounder, which has the size of a block.
const LONGEST_HEADER: usize = HEADER + 32;

/// A context of Kerberos that stands. See the [module](super).
///
/// Its tokens are those of RFC 4121, so with keys of AES or Camellia. Others (RFC 1964, keys of RC4 and DES) are
/// out of use (RFC 8429), and no context is established with them.
pub struct KerberosContext {
    side: Side,
    /// What a token has around its message, where it is not encrypted.
    plain: Around,
    /// And where it is, if the keys can do that.
    sealed: Option<Around>,
    window: Window,
}

pub(super) enum Side {
    Server(ServerCtx),
    Client(ClientCtx),
}

/// Octets around a message.
#[derive(Debug, Clone, Copy)]
struct Around {
    header: usize,
    trailer: usize,
}

impl KerberosContext {
    /// Takes a context that is complete.
    ///
    /// # Errors
    ///
    /// Where its tokens would be none of RFC 4121.
    pub(super) fn new(mut side: Side, flags: CtxFlags) -> Result<Self, Failure> {
        let plain = Around::of(side.library(), false).filter(|plain| plain.header == HEADER);
        let Some(plain) = plain else {
            let reason = "its keys are of a kind that is out of use (RC4 or DES); AES is needed";
            return Err(Failure::own("ticket", reason));
        };
        let sealed = if flags.contains(CtxFlags::GSS_C_CONF_FLAG) {
            Around::of(side.library(), true)
        } else {
            None
        };
        Ok(Self {
            side,
            plain,
            sealed,
            window: Window::default(),
        })
    }

    fn around(&self, confidential: bool) -> Result<Around, Failure> {
        if !confidential {
            return Ok(self.plain);
        }
        self.sealed
            .ok_or_else(|| Failure::own("context", "it cannot encrypt"))
    }
}

impl Side {
    fn library(&mut self) -> &mut dyn SecurityContext {
        match self {
            Self::Server(context) => context,
            Self::Client(context) => context,
        }
    }
}

impl Around {
    /// Asks the library. `None` where it does not know, and where messages would need padding, which they do not in RFC 4121.
    fn of(library: &mut dyn SecurityContext, confidential: bool) -> Option<Self> {
        let mut message = [0; 1];
        let mut parts = [
            GssIovFake::new(GssIovType::Header),
            GssIov::new(GssIovType::Data, &mut message).as_fake(),
            GssIovFake::new(GssIovType::Padding),
            GssIovFake::new(GssIovType::Trailer),
        ];
        library.wrap_iov_length(confidential, &mut parts).ok()?;
        let [header, _, padding, trailer] = &parts;
        let fits = (HEADER..=LONGEST_HEADER).contains(&header.len()) && padding.len() == 0;
        fits.then(|| Self {
            header: header.len(),
            trailer: trailer.len(),
        })
    }
}

impl Context for KerberosContext {
    fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        let around = self.around(confidential)?;
        let mut token = Vec::with_capacity(around.header + message.len() + around.trailer);
        token.resize(around.header, 0);
        token.extend_from_slice(message);
        token.resize(token.len() + around.trailer, 0);
        let (header, rest) = token.split_at_mut(around.header);
        let (message, trailer) = rest.split_at_mut(message.len());
        let mut parts = [
            GssIov::new(GssIovType::Header, header),
            GssIov::new(GssIovType::Data, message),
            GssIov::new(GssIovType::Trailer, trailer),
        ];
        let wrapped = self.side.library().wrap_iov(confidential, &mut parts);
        wrapped.map_err(|error| Failure::new("wrap", error))?;
        drop(parts);
        Ok(token)
    }

    fn can_encrypt(&self) -> bool {
        self.sealed.is_some()
    }

    /// Unwraps in place: so the message is there, too, where the library has something to say about its turn.
    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
        let unfit = || Failure::own("unwrap", "no token of RFC 4121");
        let token = Token::parse(token).ok_or_else(unfit)?;
        let around = self.around(token.sealed)?;
        let filled = if token.sealed { token.extra } else { 0 };
        let mut header = [0; LONGEST_HEADER];
        let header = header.get_mut(..around.header).ok_or_else(unfit)?;
        let (front, rest) = token
            .octets
            .split_at_checked(around.header)
            .ok_or_else(unfit)?;
        header.copy_from_slice(front);
        let mut message = rest.to_vec();
        let len = message
            .len()
            .checked_sub(around.trailer + filled)
            .ok_or_else(unfit)?;
        let (data, trailer) = message.split_at_mut(len);
        let mut parts = [
            GssIov::new(GssIovType::Header, header),
            GssIov::new(GssIovType::Data, data),
            GssIov::new(GssIovType::Trailer, trailer),
        ];
        match self.side.library().unwrap_iov(&mut parts) {
            Ok(()) => {}
            // Genuine; the window says below whether it was its turn.
            Err(error) if in_sequence_at_least(error.major) => {}
            Err(error) => return Err(Failure::new("unwrap", error).into()),
        }
        drop(parts);
        message.truncate(len);
        let in_turn = self.window.take(token.number)?;
        let unwrapped = Unwrapped::new(message, token.sealed);
        Ok(if in_turn {
            unwrapped
        } else {
            unwrapped.out_of_turn()
        })
    }

    fn longest_message(&mut self, confidential: bool, token: u16) -> Result<usize, BoxError> {
        let around = self.around(confidential)?;
        Ok(usize::from(token).saturating_sub(around.header + around.trailer))
    }
}

/// Whether the library says no more than that tokens are missing before this one, or that others have overtaken it.
fn in_sequence_at_least(major: MajorFlags) -> bool {
    let turn = MajorFlags::GSS_S_GAP_TOKEN.bits() | MajorFlags::GSS_S_UNSEQ_TOKEN.bits();
    major.bits() & !turn == 0
}

/// Without keys.
impl fmt::Debug for KerberosContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerberosContext")
            .field("can_encrypt", &self.sealed.is_some())
            .finish_non_exhaustive()
    }
}
