//! What can be set about the console.

use std::net::SocketAddr;

/// The checked settings of the role.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where browsers come in.
    pub listen: SocketAddr,
    /// Whether they come by HTTPS (a proxy in front ends it): the session cookie is then bound to HTTPS.
    pub https: bool,
    /// Tell browsers to use HTTPS only from now on.
    pub strict_transport: bool,
}
