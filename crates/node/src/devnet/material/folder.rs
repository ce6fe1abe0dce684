//! The material as files, in `cryptogen`'s layout.

use super::{MaterialError, Member, Network, Node, Organization, Role};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

impl Network {
    /// Writes everything into `folder`, which is made if need be:
    ///
    /// - `genesis.block`;
    /// - `crypto/peerOrganizations/<domain>/` and `crypto/ordererOrganizations/<domain>/` as `cryptogen` lays them out
    ///   (`ca`, `tlsca`, `msp`, `peers/<name>/{msp,tls}` or `orderers/...`, `users/<name>/{msp,tls}`);
    /// - `nodes/<name>/core.yaml` for each peer, with paths relative to itself, data in `nodes/<name>/data`.
    ///
    /// Private keys are readable by their owner only.
    ///
    /// # Errors
    /// [`MaterialError::Write`], with the path.
    pub fn write(&self, folder: &Path) -> Result<(), MaterialError> {
        write(&folder.join("genesis.block"), &self.genesis_bytes())?;
        for organization in self.organizations.iter().chain([&self.orderers]) {
            organization.write(&folder.join("crypto"))?;
        }
        for organization in &self.organizations {
            for node in &organization.nodes {
                let file = self.core_yaml_path(folder, node);
                write(&file, organization.core_yaml(node).as_bytes())?;
            }
        }
        Ok(())
    }

    /// Where [`Network::write`] puts the configuration of one peer.
    pub fn core_yaml_path(&self, folder: &Path, node: &Node) -> PathBuf {
        folder.join("nodes").join(&node.member.name).join("core.yaml")
    }
}

impl Organization {
    /// `peerOrganizations/<domain>` or `ordererOrganizations/<domain>`.
    fn relative_path(&self) -> String {
        format!(
            "{}/{}",
            if self.role == Role::Orderer { "ordererOrganizations" } else { "peerOrganizations" },
            self.domain
        )
    }

    /// The organisation's folder relative to `crypto`, then the node's in it.
    fn relative_path_of(&self, node: &Node) -> String {
        let kind = if self.role == Role::Orderer { "orderers" } else { "peers" };
        format!("{}/{kind}/{}", self.relative_path(), node.member.name)
    }

    fn write(&self, crypto: &Path) -> Result<(), MaterialError> {
        let folder = crypto.join(self.relative_path());
        for (name, authority) in [("ca", &self.identity_ca), ("tlsca", &self.tls_ca)] {
            let certificate = format!("{name}.{}-cert.pem", self.domain);
            write(&folder.join(name).join(certificate), authority.certificate_pem().as_bytes())?;
            write_key(&folder.join(name).join("priv_sk"), &authority.key_pem())?;
        }
        self.write_msp(&folder.join("msp"))?;
        for node in &self.nodes {
            self.write_member(&crypto.join(self.relative_path_of(node)), &node.member, "server")?;
        }
        for user in [&self.admin, &self.user] {
            self.write_member(&folder.join("users").join(&user.name), user, "client")?;
        }
        Ok(())
    }

    fn write_member(&self, folder: &Path, member: &Member, tls_name: &str) -> Result<(), MaterialError> {
        let msp = folder.join("msp");
        self.write_msp(&msp)?;
        let certificate = member.identity.certificate_pem();
        write(&msp.join("signcerts").join(format!("{}-cert.pem", member.name)), certificate.as_bytes())?;
        write_key(&msp.join("keystore/priv_sk"), &member.identity.key_pem())?;
        let tls = folder.join("tls");
        write(&tls.join("ca.crt"), self.tls_ca_pem().as_bytes())?;
        write(&tls.join(format!("{tls_name}.crt")), member.tls.certificate_pem().as_bytes())?;
        write_key(&tls.join(format!("{tls_name}.key")), &member.tls.key_pem())
    }

    /// What every MSP folder of the organisation has.
    fn write_msp(&self, msp: &Path) -> Result<(), MaterialError> {
        let domain = &self.domain;
        write(&msp.join(format!("cacerts/ca.{domain}-cert.pem")), self.ca_pem().as_bytes())?;
        write(&msp.join(format!("tlscacerts/tlsca.{domain}-cert.pem")), self.tls_ca_pem().as_bytes())?;
        let mut config = "NodeOUs:\n    Enable: true\n".to_owned();
        for (role, unit) in
            [("Client", "client"), ("Peer", "peer"), ("Admin", "admin"), ("Orderer", "orderer")]
        {
            config.push_str(&format!(
                "    {role}OUIdentifier:\n        Certificate: cacerts/ca.{domain}-cert.pem\n        \
                 OrganizationalUnitIdentifier: {unit}\n"
            ));
        }
        write(&msp.join("config.yaml"), config.as_bytes())
    }

    /// A peer's `core.yaml`: the first peer of an organisation pulls from the orderers, the others get blocks by gossip.
    fn core_yaml(&self, node: &Node) -> String {
        let bootstrap = self
            .nodes
            .iter()
            .filter(|other| other.member.name != node.member.name)
            .take(2)
            .map(|other| format!("\n      - {}", other.endpoint()))
            .collect::<String>();
        let bootstrap = if bootstrap.is_empty() { format!(" {}", node.endpoint()) } else { bootstrap };
        let leads = self.nodes.first().is_some_and(|first| first.member.name == node.member.name);
        format!(
            include_str!("core.yaml.in"),
            name = node.member.name,
            endpoint = node.endpoint(),
            bootstrap = bootstrap,
            leads = leads,
            node = format_args!("../../crypto/{}", self.relative_path_of(node)),
            msp_id = self.msp_id,
            operations_port = node.operations_port,
        )
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), MaterialError> {
    let because = |source| MaterialError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(because)?;
    }
    fs::write(path, content).map_err(because)
}

fn write_key(path: &Path, pem: &str) -> Result<(), MaterialError> {
    let because = |source| MaterialError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(because)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(pem.as_bytes())).map_err(because)
}
