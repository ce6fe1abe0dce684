//! A real Fabric network on loopback: crypto material, genesis block, orderers, peers, chaincode.

use super::fabric::{Fabric, run, run_for_bytes};
use super::process::{Process, metric, page, wait};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

pub(crate) const CHANNEL: &str = "interop";
const CHAINCODE_PORT: u16 = 22900;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How the channel is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consensus {
    Raft,
    Bft,
}

impl Consensus {
    fn orderer_count(self) -> u16 {
        match self {
            Self::Raft => 3,
            Self::Bft => 4,
        }
    }
}

/// A place for a peer, Go or Selvedge: an identity and ports of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) org: u16,
    pub(crate) index: u16,
}

pub(crate) const fn place(org: u16, index: u16) -> Place {
    Place { org, index }
}

impl Place {
    pub(crate) fn name(self) -> String {
        format!("peer{}.org{}.example.com", self.index, self.org)
    }

    pub(crate) fn short_name(self) -> String {
        format!("peer{}.org{}", self.index, self.org)
    }

    pub(crate) fn msp_id(self) -> String {
        format!("Org{}MSP", self.org)
    }

    pub(crate) fn port(self) -> u16 {
        22_000 + 100 * (self.org - 1) + 10 * (self.index + 1)
    }

    pub(crate) fn operations_port(self) -> u16 {
        self.port() + 1
    }

    pub(crate) fn endpoint(self) -> String {
        format!("127.0.0.1:{}", self.port())
    }
}

/// What differs between two starts of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    pub(crate) election: bool,
    pub(crate) leader: bool,
    pub(crate) block_gossip: bool,
    pub(crate) state_transfer: bool,
}

impl Behaviour {
    /// Fabric's sample settings: each peer pulls from the orderers, no block travels by gossip.
    pub(crate) const SAMPLE: Self =
        Self { election: false, leader: true, block_gossip: false, state_transfer: false };
    /// An elected leader for each organisation, everything by gossip.
    pub(crate) const GOSSIP: Self =
        Self { election: true, leader: false, block_gossip: true, state_transfer: true };
    /// Never pulls from the orderers.
    pub(crate) const FOLLOWER: Self =
        Self { election: false, leader: false, block_gossip: true, state_transfer: true };
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    fabric: Fabric,
    consensus: Consensus,
    repository: PathBuf,
    folder: PathBuf,
    processes: BTreeMap<String, Process>,
    downtimes: Vec<Downtime>,
}

/// A program was ended by the scenario and perhaps started again, or was started for the first time.
#[derive(Clone, Debug)]
pub(crate) struct Downtime {
    pub(crate) name: String,
    pub(crate) from: SystemTime,
    pub(crate) to: Option<SystemTime>,
    /// How long after its start others may still be taken aback.
    pub(crate) echo: Duration,
}

/// Others have connections to a peer that ended, and notice with their next message.
const ECHO: Duration = Duration::from_secs(30);
/// Until it has joined the channel, a new peer knows nobody of another organisation and refuses them, as a Go peer does.
const FIRST_ECHO: Duration = Duration::from_secs(5);

impl Network {
    /// Makes crypto material and the genesis block in `folder`, which is emptied.
    pub(crate) fn new(
        fabric: Fabric,
        consensus: Consensus,
        repository: &Path,
        folder: PathBuf,
    ) -> Outcome<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("logs"))?;
        let network = Self {
            fabric,
            consensus,
            repository: repository.to_owned(),
            folder,
            processes: BTreeMap::new(),
            downtimes: Vec::new(),
        };
        let template = network.template("crypto-config.yaml");
        run(network
            .fabric
            .command("cryptogen")
            .arg("generate")
            .arg("--config")
            .arg(template)
            .arg("--output")
            .arg(network.folder.join("crypto")))?;
        fs::write(network.folder.join("configtx.yaml"), network.configtx()?)?;
        run(network
            .configtxgen()
            .args(["-profile", "Interop", "-channelID", CHANNEL, "-outputBlock"])
            .arg(network.genesis()))?;
        Ok(network)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    pub(crate) fn genesis(&self) -> PathBuf {
        self.folder.join("genesis.block")
    }

    /// The configuration group of an organisation, as configtxgen makes it.
    pub(crate) fn org_definition(&self, name: &str) -> Outcome<selvedge_proto::common::ConfigGroup> {
        let folder = self.folder.join("with-everybody");
        fs::create_dir_all(&folder)?;
        let text =
            self.configtx()?.replace("Organizations: [*Org1, *Org2]", "Organizations: [*Org1, *Org2, *Org3]");
        fs::write(folder.join("configtx.yaml"), text.replace(" crypto/", " ../crypto/"))?;
        let file = folder.join("genesis.block");
        let mut command = self.configtxgen();
        command.env("FABRIC_CFG_PATH", &folder).args([
            "-profile",
            "Interop",
            "-channelID",
            CHANNEL,
            "-outputBlock",
        ]);
        run(command.arg(&file))?;
        let block = selvedge_proto::decode::<selvedge_proto::common::Block>(fs::read(file)?)?;
        let config = selvedge_proto::block::config_envelope(&block)?.config.ok_or("no configuration")?;
        let root = config.channel_group.ok_or("no channel group")?;
        let org = root.groups.get("Application").and_then(|application| application.groups.get(name));
        Ok(org.ok_or_else(|| format!("configtxgen made no {name}"))?.clone())
    }

    fn template(&self, name: &str) -> PathBuf {
        self.repository.join("interop/network").join(name)
    }

    fn configtxgen(&self) -> Command {
        let mut command = self.fabric.command("configtxgen");
        command.env("FABRIC_CFG_PATH", &self.folder).current_dir(&self.folder);
        command
    }

    fn configtx(&self) -> Outcome<String> {
        let orderers: Vec<u16> = (0..self.consensus.orderer_count()).collect();
        let endpoints: Vec<String> =
            orderers.iter().map(|&index| format!("127.0.0.1:{}", orderer_port(index))).collect();
        let tls = |index: u16| {
            format!(
                "crypto/ordererOrganizations/example.com/orderers/orderer{index}.example.com/tls/server.crt"
            )
        };
        let identity = |index: u16| {
            let node = format!("orderer{index}.example.com");
            format!("crypto/ordererOrganizations/example.com/orderers/{node}/msp/signcerts/{node}-cert.pem")
        };
        let consenters = |index: &u16| {
            let (port, tls) = (orderer_port(*index), tls(*index));
            match self.consensus {
                Consensus::Raft => {
                    format!(
                        "          - {{Host: 127.0.0.1, Port: {port}, ClientTLSCert: {tls}, ServerTLSCert: {tls}}}"
                    )
                }
                Consensus::Bft => format!(
                    "        - {{ID: {}, Host: 127.0.0.1, Port: {port}, MSPID: OrdererMSP, Identity: {}, ClientTLSCert: {tls}, ServerTLSCert: {tls}}}",
                    index + 1,
                    identity(*index)
                ),
            }
        };
        let lines: Vec<String> = orderers.iter().map(consenters).collect();
        let lines = lines.join("\n");
        let consenters = match self.consensus {
            Consensus::Raft => format!(
                "      EtcdRaft:\n        Options: {{TickInterval: 500ms, ElectionTick: 10, HeartbeatTick: 1, MaxInflightBlocks: 5, SnapshotIntervalSize: 16 MB}}\n        Consenters:\n{lines}"
            ),
            Consensus::Bft => format!("{SMARTBFT}      ConsenterMapping:\n{lines}"),
        };
        Ok(fs::read_to_string(self.template("configtx.yaml"))?
            .replace("{ORDERER_ENDPOINTS}", &endpoints.join(", "))
            .replace("{CHANNEL_CAPABILITY}", if self.fabric.is_v3() { "V3_0" } else { "V2_0" })
            .replace("{APPLICATION_CAPABILITY}", "V2_5")
            .replace("{CONSENSUS}", if self.consensus == Consensus::Raft { "etcdraft" } else { "BFT" })
            .replace("{CONSENTERS}", &consenters))
    }

    /// Starts every orderer and joins it to the channel.
    pub(crate) fn start_orderers(&mut self) -> Outcome<()> {
        for index in 0..self.consensus.orderer_count() {
            self.start_orderer(index)?;
        }
        for index in 0..self.consensus.orderer_count() {
            let mut command = self.osnadmin(index, &["channel", "join", "--channelID", CHANNEL]);
            let said = run(command.arg("--config-block").arg(self.genesis()))?;
            if !said.contains("Status: 201") {
                return Err(format!("orderer{index} does not join: {said}").into());
            }
        }
        Ok(())
    }

    pub(crate) fn start_orderer(&mut self, index: u16) -> Outcome<()> {
        let name = format!("orderer{index}");
        let folder = self.folder.join(&name);
        fs::create_dir_all(&folder)?;
        let port = orderer_port(index);
        let crypto = self.orderer_crypto(index);
        let text = fs::read_to_string(self.template("orderer.yaml"))?
            .replace("{PORT}", &port.to_string())
            .replace("{OPERATIONS_PORT}", &(port + 1).to_string())
            .replace("{ADMIN_PORT}", &(port + 2).to_string())
            .replace("{CRYPTO}", &crypto.display().to_string())
            .replace("{DATA}", &folder.join("data").display().to_string());
        fs::write(folder.join("orderer.yaml"), text)?;
        let mut command = self.fabric.command("orderer");
        command.env("FABRIC_CFG_PATH", &folder).env("FABRIC_LOGGING_SPEC", "info").current_dir(&folder);
        self.start(&name, &mut command)?;
        wait(&format!("{name} healthy"), Duration::from_secs(20), || Ok(page(port + 1, "/healthz").ok()))?;
        Ok(())
    }

    pub(crate) fn stop_orderers(&mut self) {
        for index in 0..self.consensus.orderer_count() {
            self.terminate(&format!("orderer{index}"));
        }
    }

    fn orderer_crypto(&self, index: u16) -> PathBuf {
        self.folder
            .join(format!("crypto/ordererOrganizations/example.com/orderers/orderer{index}.example.com"))
    }

    fn orderer_ca(&self) -> PathBuf {
        self.folder.join("crypto/ordererOrganizations/example.com/tlsca/tlsca.example.com-cert.pem")
    }

    fn osnadmin(&self, index: u16, words: &[&str]) -> Command {
        let tls = self.orderer_crypto(index).join("tls");
        let mut command = self.fabric.command("osnadmin");
        command.args(words).arg("-o").arg(format!("127.0.0.1:{}", orderer_port(index) + 2));
        command.arg("--ca-file").arg(self.orderer_ca());
        command
            .arg("--client-cert")
            .arg(tls.join("server.crt"))
            .arg("--client-key")
            .arg(tls.join("server.key"));
        command
    }

    pub(crate) fn peer_crypto(&self, place: Place) -> PathBuf {
        let org = format!("org{}.example.com", place.org);
        self.folder.join(format!("crypto/peerOrganizations/{org}/peers/{}", place.name()))
    }

    fn org_crypto(&self, org: u16) -> PathBuf {
        self.folder.join(format!("crypto/peerOrganizations/org{org}.example.com"))
    }

    fn org_tls_ca(&self, org: u16) -> PathBuf {
        self.org_crypto(org).join(format!("tlsca/tlsca.org{org}.example.com-cert.pem"))
    }

    /// Writes the `core.yaml` of a place and gives its folder.
    pub(crate) fn configure(&self, place: Place, behaviour: Behaviour, bootstrap: Place) -> Outcome<PathBuf> {
        let folder = self.folder.join(place.short_name());
        fs::create_dir_all(&folder)?;
        let text = fs::read_to_string(self.template("core.yaml"))?
            .replace("{NAME}", &place.name())
            .replace("{PORT}", &place.port().to_string())
            .replace("{OPERATIONS_PORT}", &place.operations_port().to_string())
            .replace("{CHAINCODE_PORT}", &(place.port() + 2).to_string())
            .replace("{MSP_ID}", &place.msp_id())
            .replace("{CRYPTO}", &self.peer_crypto(place).display().to_string())
            .replace("{DATA}", &folder.join("data").display().to_string())
            .replace("{BUILDER}", &self.repository.join("interop/builder").display().to_string())
            .replace("{BOOTSTRAP}", &bootstrap.endpoint())
            .replace("{ELECTION}", &behaviour.election.to_string())
            .replace("{LEADER}", &behaviour.leader.to_string())
            .replace("{BLOCK_GOSSIP}", &behaviour.block_gossip.to_string())
            .replace("{STATE_TRANSFER}", &behaviour.state_transfer.to_string());
        fs::write(folder.join("core.yaml"), text)?;
        Ok(folder)
    }

    /// Starts a Go peer.
    pub(crate) fn start_peer(&mut self, place: Place, behaviour: Behaviour, bootstrap: Place) -> Outcome<()> {
        let folder = self.configure(place, behaviour, bootstrap)?;
        let mut command = self.fabric.command("peer");
        command.args(["node", "start"]).env("FABRIC_CFG_PATH", &folder).current_dir(&folder);
        command.env("FABRIC_LOGGING_SPEC", "info:gossip.state=debug:gossip.channel=info");
        self.start(&place.short_name(), &mut command)?;
        let name = place.short_name();
        wait(&format!("{name} healthy"), Duration::from_secs(30), || {
            Ok(page(place.operations_port(), "/healthz").ok())
        })?;
        Ok(())
    }

    /// Joins a running Go peer to the channel.
    pub(crate) fn join(&self, place: Place) -> Outcome<()> {
        let genesis = self.genesis();
        wait(&format!("{} joined", place.short_name()), Duration::from_secs(20), || {
            run(self.peer_cli(place).args(["channel", "join", "-b"]).arg(&genesis)).map(Some)
        })?;
        Ok(())
    }

    /// The peer program as the admin of a place's organisation, talking to that place.
    pub(crate) fn peer_cli(&self, place: Place) -> Command {
        let org = format!("org{}.example.com", place.org);
        let mut command = self.fabric.command("peer");
        command
            .env("FABRIC_CFG_PATH", self.folder.join(place.short_name()))
            .env("FABRIC_LOGGING_SPEC", "error")
            .env("CORE_PEER_ADDRESS", place.endpoint())
            .env("CORE_PEER_LOCALMSPID", place.msp_id())
            .env("CORE_PEER_MSPCONFIGPATH", self.org_crypto(place.org).join(format!("users/Admin@{org}/msp")))
            .env("CORE_PEER_TLS_ENABLED", "true")
            .env("CORE_PEER_TLS_ROOTCERT_FILE", self.org_tls_ca(place.org))
            .current_dir(&self.folder);
        command
    }

    /// Adds where the orderers are to a command of the peer program.
    pub(crate) fn ordered<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.ordered_by(0, command)
    }

    fn ordered_by<'c>(&self, orderer: u16, command: &'c mut Command) -> &'c mut Command {
        command
            .arg("-o")
            .arg(format!("127.0.0.1:{}", orderer_port(orderer)))
            .arg("--tls")
            .arg("--cafile")
            .arg(self.orderer_ca())
    }

    /// What Fabric's discovery at a Go peer says of the channel's members: its JSON.
    pub(crate) fn discover_peers(&self, at: Place) -> Outcome<String> {
        let org = format!("org{}.example.com", at.org);
        let admin = self.org_crypto(at.org).join(format!("users/Admin@{org}"));
        let mut command = self.fabric.command("discover");
        command.arg("--peerTLSCA").arg(self.org_tls_ca(at.org));
        command
            .arg("--tlsCert")
            .arg(admin.join("tls/client.crt"))
            .arg("--tlsKey")
            .arg(admin.join("tls/client.key"));
        command.arg("--MSP").arg(at.msp_id()).arg("--userKey").arg(admin.join("msp/keystore/priv_sk"));
        command.arg("--userCert").arg(admin.join(format!("msp/signcerts/Admin@{org}-cert.pem")));
        command.args(["peers", "--channel", CHANNEL, "--server", &at.endpoint()]);
        Ok(String::from_utf8(run_for_bytes(&mut command)?)?)
    }

    /// The ledger height that a peer, Go or Selvedge, tells in its metrics.
    pub(crate) fn height(place: Place) -> Outcome<u64> {
        let height = metric(place.operations_port(), "ledger_blockchain_height", CHANNEL)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(height as u64)
    }

    /// A block as each orderer has it, fetched by Fabric's own client: each signs its own copy.
    pub(crate) fn fetch_block(&self, via: Place, number: u64) -> Outcome<Vec<Vec<u8>>> {
        let file = self.folder.join("fetched.block");
        let fetch = |orderer| {
            let mut command = self.peer_cli(via);
            command.args(["channel", "fetch", &number.to_string()]).arg(&file).args(["-c", CHANNEL]);
            run(self.ordered_by(orderer, &mut command))?;
            Ok(fs::read(&file)?)
        };
        (0..self.consensus.orderer_count()).map(fetch).collect()
    }

    /// Installs, approves and commits the chaincode, and starts it.
    pub(crate) fn deploy_chaincode(&mut self, peers: &[Place]) -> Outcome<()> {
        let package = self.package_chaincode()?;
        let first = *peers.first().ok_or("no peer")?;
        let said =
            run(self.peer_cli(first).args(["lifecycle", "chaincode", "calculatepackageid"]).arg(&package))?;
        let id = said.lines().last().unwrap_or_default().trim().to_owned();
        for &peer in peers {
            run(self.peer_cli(peer).args(["lifecycle", "chaincode", "install"]).arg(&package))?;
        }
        let folder = self.folder.join("chaincode");
        let mut command = Command::new("node");
        command.arg("server.js").arg(&id).arg(format!("127.0.0.1:{CHAINCODE_PORT}")).current_dir(&folder);
        self.start("chaincode", &mut command)?;
        let definition = [
            "-C",
            CHANNEL,
            "-n",
            "filler",
            "-v",
            "1",
            "--sequence",
            "1",
            "--signature-policy",
            "OR('Org1MSP.peer','Org2MSP.peer')",
        ];
        for org in [1, 2] {
            let admin = *peers.iter().find(|peer| peer.org == org).ok_or("no peer of an organisation")?;
            let mut command = self.peer_cli(admin);
            command.args(["lifecycle", "chaincode", "approveformyorg", "--package-id", &id]).args(definition);
            run(self.ordered(&mut command))?;
        }
        let mut command = self.peer_cli(first);
        command.args(["lifecycle", "chaincode", "commit"]).args(definition);
        for org in [1, 2] {
            let endorser = *peers.iter().find(|peer| peer.org == org).ok_or("no peer of an organisation")?;
            command
                .arg("--peerAddresses")
                .arg(endorser.endpoint())
                .arg("--tlsRootCertFiles")
                .arg(self.org_tls_ca(org));
        }
        run(self.ordered(&mut command))?;
        Ok(())
    }

    /// The chaincode as `peer lifecycle chaincode install` takes it, with its modules from npm beside it.
    fn package_chaincode(&self) -> Outcome<PathBuf> {
        let folder = self.folder.join("chaincode");
        fs::create_dir_all(&folder)?;
        for file in ["package.json", "server.js"] {
            fs::copy(self.repository.join("interop/chaincode").join(file), folder.join(file))?;
        }
        // kept between runs: npm needs seconds
        let modules = self.repository.join("interop/run/node_modules");
        if !modules.is_dir() {
            run(Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&folder))?;
            fs::create_dir_all(self.repository.join("interop/run"))?;
            fs::rename(folder.join("node_modules"), &modules)?;
        }
        std::os::unix::fs::symlink(&modules, folder.join("node_modules"))?;
        fs::write(
            folder.join("connection.json"),
            format!(
                r#"{{"address":"127.0.0.1:{CHAINCODE_PORT}","dial_timeout":"10s","tls_required":false}}"#
            ),
        )?;
        fs::write(folder.join("metadata.json"), r#"{"type":"ccaas","label":"filler"}"#)?;
        run(Command::new("tar").args(["czf", "code.tar.gz", "connection.json"]).current_dir(&folder))?;
        run(Command::new("tar")
            .args(["czf", "filler.tgz", "metadata.json", "code.tar.gz"])
            .current_dir(&folder))?;
        Ok(folder.join("filler.tgz"))
    }

    /// One transaction that writes `bytes` bytes, endorsed at `via`; with a batch of one it makes one block.
    pub(crate) fn put(&self, via: Place, key: &str, bytes: usize) -> Outcome<()> {
        let mut command = self.peer_cli(via);
        command.args(["chaincode", "invoke", "-C", CHANNEL, "-n", "filler", "-c"]);
        command.arg(format!(r#"{{"Args":["put","{key}","{bytes}"]}}"#));
        run(self.ordered(&mut command)).map(drop)
    }

    /// Starts a program of the network under a name, with its log in the network's folder.
    pub(crate) fn start(&mut self, name: &str, command: &mut Command) -> Outcome<()> {
        let log = self.log(name);
        let now = SystemTime::now();
        match self.downtimes.iter_mut().rfind(|down| down.name == name) {
            Some(down) => down.to = Some(now),
            None => self.downtimes.push(Downtime {
                name: name.to_owned(),
                from: now,
                to: Some(now),
                echo: FIRST_ECHO,
            }),
        }
        self.processes.insert(name.to_owned(), Process::start(command, &log)?);
        Ok(())
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{name}.log"))
    }

    pub(crate) fn process(&mut self, name: &str) -> Outcome<&mut Process> {
        self.processes.get_mut(name).ok_or_else(|| format!("{name} was not started").into())
    }

    /// When which programs were ended by the scenario.
    pub(crate) fn downtimes(&self) -> &[Downtime] {
        &self.downtimes
    }

    fn goes_down(&mut self, name: &str) {
        self.downtimes.push(Downtime {
            name: name.to_owned(),
            from: SystemTime::now(),
            to: None,
            echo: ECHO,
        });
    }

    pub(crate) fn terminate(&mut self, name: &str) {
        self.goes_down(name);
        if let Some(process) = self.processes.remove(name) {
            process.terminate();
        }
    }

    pub(crate) fn kill(&mut self, name: &str) {
        self.goes_down(name);
        if let Some(process) = self.processes.remove(name) {
            process.kill();
        }
    }
}

fn orderer_port(index: u16) -> u16 {
    22_500 + 10 * index
}

/// SmartBFT's settings, with short waits.
const SMARTBFT: &str = "      SmartBFT: {RequestBatchMaxInterval: 200ms, RequestForwardTimeout: 5s, RequestComplainTimeout: 20s, RequestAutoRemoveTimeout: 3m, ViewChangeResendInterval: 5s, ViewChangeTimeout: 20s, LeaderHeartbeatTimeout: 20s, CollectTimeout: 1s, IncomingMessageBufferSize: 200, RequestPoolSize: 100000, LeaderHeartbeatCount: 10}
";
