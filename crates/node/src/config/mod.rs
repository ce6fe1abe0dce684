//! Configuration: a Fabric `core.yaml` with `CORE_*` variables over it, plus a `selvedge:` section.
//!
//! The same file that starts a Fabric peer starts a node. The rules are those of Fabric's reader:
//!
//! - Keys are the same in upper and lower case.
//! - `CORE_PEER_GOSSIP_BOOTSTRAP` overrides `peer.gossip.bootstrap`, also when it is empty. `null` is as good
//!   as absent.
//! - Durations are written as in Go (`5s`, `1500ms`, `1h30m`); a bare number is nanoseconds.
//! - A list may be written as one text, its items separated by white space (endpoints also by commas).
//! - A relative path starts at the folder of the file.
//! - A number or duration that is absent or zero takes the built-in value; `peer.gossip.state.*`,
//!   `peer.keepalive.*` and a few others that say so are taken literally where they are present.
//!
//! A key that neither Fabric nor Selvedge knows is a warning with its line, a value that cannot be used an
//! error with its line, and all of them are told at once. Where Fabric silently takes something else for a
//! wrong value (`enabled: yes` is false there), it is an error here.

mod address;
mod error;
mod known;
mod layers;
mod read;
mod settings;
mod value;
mod yaml;

pub use error::{ConfigError, Problem, Source};
pub use layers::Explained;
pub use settings::{
    AddressOverride, DeliveryPolicy, DeliverySettings, ElectionSettings, GossipSettings, KeepaliveSettings,
    MetricsProvider, MetricsSettings, OperationsSettings, OperationsTlsSettings, PeerSettings,
    PrivateDataSettings, SelvedgeSettings, StateSettings, StatsdSettings, TlsSettings,
};

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Where Fabric keeps its configuration unless told otherwise.
const OFFICIAL_FOLDER: &str = "/etc/hyperledger/fabric";

/// Everything a node is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// The file it was read from.
    pub file: PathBuf,
    /// Section `peer`.
    pub peer: PeerSettings,
    /// Section `peer.gossip`.
    pub gossip: GossipSettings,
    /// Section `peer.tls`.
    pub tls: TlsSettings,
    /// Section `peer.deliveryclient`.
    pub delivery: DeliverySettings,
    /// Section `operations`.
    pub operations: OperationsSettings,
    /// Section `metrics`.
    pub metrics: MetricsSettings,
    /// Section `selvedge`.
    pub selvedge: SelvedgeSettings,
    /// What a person should look at, such as unknown keys; to be logged.
    pub warnings: Vec<Problem>,
    explained: Vec<Explained>,
}

impl NodeConfig {
    /// Reads `file`, or else the `core.yaml` that Fabric would take (see [`find`]), under the variables of
    /// this process.
    ///
    /// # Errors
    /// No such file, no YAML, or values that cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(file, Environment::of_process())
    }

    /// The same under given variables.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_with(file: Option<&Path>, environment: Environment) -> Result<Self, ConfigError> {
        let file = match file {
            Some(file) => file.to_path_buf(),
            None => find(&environment)?,
        };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => return Err(ConfigError::Unreadable { path: file, error }),
        };
        Self::parse(&file, &text, environment)
    }

    /// The same from a text; `file` is its name in messages, and relative paths start at its folder.
    ///
    /// # Errors
    /// No YAML, or values that cannot be used.
    pub fn parse(file: &Path, text: &str, environment: Environment) -> Result<Self, ConfigError> {
        let entries = yaml::parse(text).map_err(|error| ConfigError::Syntax {
            path: file.to_path_buf(),
            line: error.line,
            message: error.message,
        })?;
        let own_address = environment.own_address;
        let layers = layers::Layers::new(Some(file), entries, environment);
        let detect = move || own_address.map_or_else(address::detect, Ok);
        read::node_config(file, layers, &detect)
    }

    /// Every value in force with its key and where it comes from, section by section.
    #[must_use]
    pub fn explain(&self) -> &[Explained] {
        &self.explained
    }

    /// Where the value of a key (in Fabric's spelling) comes from; the default for keys that are not known.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        let found = self.explained.iter().find(|explained| explained.key.eq_ignore_ascii_case(key));
        found.map_or(Source::Default, |explained| explained.source.clone())
    }

    /// Checks that the files and folders it names can be opened: MSP folder, TLS certificates, keys and CAs.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with one problem for each path that cannot be opened.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        read::check_files(self)
    }
}

/// The file Fabric would take: `core.yaml` in `$FABRIC_CFG_PATH` where that is set, else in the current
/// folder, else in `/etc/hyperledger/fabric`.
///
/// # Errors
/// [`ConfigError::NotFound`] with the files that were looked for.
pub fn find(environment: &Environment) -> Result<PathBuf, ConfigError> {
    let folders = match environment.get("FABRIC_CFG_PATH").filter(|folder| !folder.is_empty()) {
        Some(folder) => vec![folder],
        None => vec![".", OFFICIAL_FOLDER],
    };
    let candidates =
        folders.iter().flat_map(|folder| ["core.yaml", "core.yml"].map(|name| Path::new(folder).join(name)));
    let searched: Vec<PathBuf> = candidates.collect();
    searched.iter().find(|path| path.is_file()).cloned().ok_or(ConfigError::NotFound { searched })
}

/// The variables a configuration is read under, held apart from the process so that it can be tried with
/// others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    own_address: Option<Ipv4Addr>,
}

impl Environment {
    /// Beginning of the variables that override keys.
    pub const PREFIX: &'static str = "CORE_";

    /// Those of this process that matter here: `CORE_*` and `FABRIC_CFG_PATH`. What is not UTF-8 is taken
    /// with replacement characters.
    #[must_use]
    pub fn of_process() -> Self {
        let texts = std::env::vars_os();
        let texts = texts.map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()));
        let matters = |name: &String| name.starts_with(Self::PREFIX) || name == "FABRIC_CFG_PATH";
        Self { variables: texts.filter(|(name, _)| matters(name)).collect(), own_address: None }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a given address of the machine instead of asking its network interfaces.
    #[must_use]
    pub fn with_own_address(mut self, address: Ipv4Addr) -> Self {
        self.own_address = Some(address);
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str).filter(|name| name.starts_with(Self::PREFIX))
    }
}
