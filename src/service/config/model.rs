//! Every key, its type and its default.
//!
//! `check`, the messages about unknown keys and the search for misspelt variables follow these structs; tests compare
//! Settings.toml and docs/settings.md with them.

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use config::{Value, ValueKind};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::deserialize::{keys, read};
use super::error::{KeyOrigin, SettingsError};
use super::layers::{Table, member};
use super::own::OwnSection;
use super::values::{
    ClaimPath, Claims, Flag, Host, Implications, IssuerUrl, KeyPath, KeyText, List, LogFilter,
    Network, Number, One, PathPattern, PemPath, Period, PlainPath, Port, PositivePeriod,
    PublicHost, PublicUrl, RedirectUri, RequiredClaims, ScopeToken, Secret, StoreUrl, Text,
    WebOrigin, WebPage,
};
use crate::claims::scope_claim::ScopeClaim;
use crate::issuer::{self, SecretEncoding, TokenType};
use crate::jose::Algorithm;
use crate::jose::compact::MAX_TOKEN_BYTES;
use crate::revocation::Revocations;
use crate::sender::{Dpop as Proofs, NonceIssuer, Replay};
use crate::verifier::DEFAULT_TOKEN_MEMORY;

/// Defines a section: its keys with their types and defaults.
macro_rules! section {
    (
        $(#[$attribute:meta])*
        $visibility:vis $name:ident { $($(#[$key_attribute:meta])* $key:ident: $type:ty = $default:expr,)* }
    ) => {
        $(#[$attribute])*
        #[derive(Deserialize, Serialize)]
        #[serde(default)]
        $visibility struct $name {
            $($(#[$key_attribute])* $visibility $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

section! {
    /// The whole file.
    pub(super) Model {
        server: Server = Server::default(),
        operations: Operations = Operations::default(),
        resource: Resource = Resource::default(),
        cors: Cors = Cors::default(),
        auth: Auth = Auth::default(),
        revocation: Revocation = Revocation::default(),
        decision: Decision = Decision::default(),
        /// Read into `route_entries`.
        #[serde(skip_serializing)]
        routes: IgnoredAny = IgnoredAny,
        #[serde(skip)]
        route_entries: Vec<Route> = Vec::new(),
        dev_issuer: DevIssuer = DevIssuer::default(),
        openapi: OpenApi = OpenApi::default(),
        reload: Reload = Reload::default(),
        log: Log = Log::default(),
    }
}

section! {
    pub(super) Server {
        host: One<Host> = One(LOOPBACK.to_owned()),
        port: Port = Number(3010),
        /// Each is a thread; a larger number is a mistake.
        workers: Option<Number<u16, 1, 1024>> = None,
        max_connections: Number<u16, 1, 65535> = Number(25_000),
        max_connections_per_address: Number<u16, 0, 65535> = Number(0),
        client_timeout: PositivePeriod = Period::seconds(30),
        /// Longer than load balancers keep idle connections (60 s is usual): the side that sends the next request
        /// must be the one that closes.
        keep_alive: PositivePeriod = Period::seconds(75),
        drain_delay: Period = Period::seconds(0),
        shutdown_timeout: Period = Period::seconds(30),
        public_url: Option<One<PublicUrl>> = None,
        trusted_proxies: List<Network> = List::EMPTY,
        allowed_hosts: List<PublicHost> = List::EMPTY,
        tls: Tls = Tls::default(),
    }
}

section! {
    pub(super) Tls {
        certificate: Option<One<PemPath>> = None,
        key: Option<One<KeyPath>> = None,
        client_ca: Option<One<PemPath>> = None,
    }
}

section! {
    pub(super) Operations {
        host: One<Host> = One(LOOPBACK.to_owned()),
        port: Option<Port> = None,
    }
}

section! {
    pub(super) Resource {
        metadata: Flag = Flag(true),
        name: Option<One<Text>> = None,
        documentation: Option<One<WebPage>> = None,
        audience: Flag = Flag(false),
    }
}

section! {
    pub(super) Cors {
        allowed_origins: List<WebOrigin> = List::EMPTY,
        allowed_methods: List<Method> = List(DEFAULT_METHODS.to_vec()),
        /// Not set: those that a page asks for.
        allowed_headers: Option<List<HeaderName>> = None,
        expose_headers: List<HeaderName> = List::EMPTY,
        allow_credentials: Flag = Flag(false),
        allow_credentials_for_wildcards: Flag = Flag(false),
        allow_private_network: Flag = Flag(false),
        max_age: Period = Period::seconds(10 * 60),
    }
}

section! {
    /// `[auth]`, whose keys of one issuer are also those of each of `[[auth.issuers]]`.
    pub(super) Auth {
        /// The keys of one issuer in `[auth]` itself.
        #[serde(skip)]
        issuer: Issuer = Issuer::default(),
        startup: StartupMode = StartupMode::Background,
        /// Two fetches and the pause between them.
        startup_timeout: PositivePeriod = Period::seconds(15),
        ca_file: Option<One<PemPath>> = None,
        token_memory_bytes: Number<usize, 0, { u32::MAX }> = Number(DEFAULT_TOKEN_MEMORY),
        /// Less would reject tokens of every issuer; with more, the head of a request could pass the server's limit.
        max_token_length: Number<usize, 1024, { 64 * 1024 }> = Number(MAX_TOKEN_BYTES),
        /// Read into `entries`.
        #[serde(skip_serializing)]
        issuers: IgnoredAny = IgnoredAny,
        #[serde(skip)]
        entries: Option<Vec<Issuer>> = None,
        dpop: Dpop = Dpop::default(),
        mtls: Mtls = Mtls::default(),
    }
}

section! {
    pub(super) Issuer {
        issuer_base_url: Option<One<IssuerUrl>> = None,
        audience: List<Text> = List::EMPTY,
        issuer: Option<One<Text>> = None,
        jwks_uri: Option<One<IssuerUrl>> = None,
        /// Not shown: a private key may be set here by mistake.
        public_key: Option<One<KeyText>> = None,
        secret: Option<Secret> = None,
        secret_encoding: SecretEncoding = SecretEncoding::Text,
        token_signing_alg: Option<List<Algorithm>> = None,
        strict: Flag = Flag(false),
        clock_tolerance: Period = Period::seconds(5),
        max_token_age: Option<PositivePeriod> = None,
        cache_max_age: PositivePeriod = Period::seconds(10 * 60),
        cooldown_duration: PositivePeriod = Period::seconds(30),
        timeout_duration: PositivePeriod = Period::seconds(5),
        allow_http_hosts: List<Text> = List::EMPTY,
        longest_outage: Period = Period::seconds(24 * 60 * 60),
        scope_claims: List<ScopeClaim> = List(ScopeClaim::defaults()),
        audience_claims: List<ClaimPath> = List(vec!["aud".to_owned()]),
        allow_any_audience: Flag = Flag(false),
        token_types: List<TokenType> = List(TokenType::DEFAULT.to_vec()),
        tenants: List<Text> = List::EMPTY,
        required_claims: RequiredClaims = RequiredClaims::default(),
        scope_implications: Implications = Implications::default(),
        event_audience: List<Text> = List::EMPTY,
        logout_revokes_user: Flag = Flag(false),
        introspection: Introspection = Introspection::default(),
    }
}

section! {
    /// `[auth.introspection]`; of an entry of `[[auth.issuers]]`, its own section.
    pub(super) Introspection {
        endpoint: Option<One<IssuerUrl>> = None,
        client_id: Option<One<Text>> = None,
        client_secret: Option<Secret> = None,
        client_auth: Option<ClientAuth> = None,
        private_key: Option<Secret> = None,
        private_key_id: Option<One<Text>> = None,
        private_key_alg: Option<One<Algorithm>> = None,
        assertion_audience: Option<One<Text>> = None,
        tokens: IntrospectedTokens = IntrospectedTokens::Opaque,
        token_prefix: Option<One<Text>> = None,
        cache_max_age: PositivePeriod = Period(issuer::Introspection::CACHE_MAX_AGE),
        calls_per_second: Number<u32, 1, 100_000> = Number(issuer::Introspection::CALLS_PER_SECOND),
        signed_responses: SignedResponses = SignedResponses::Offered,
    }
}

section! {
    pub(super) Dpop {
        enabled: Flag = Flag(true),
        required: Flag = Flag(false),
        iat_offset: Period = Period(Proofs::IAT_OFFSET),
        iat_leeway: Period = Period(Proofs::IAT_LEEWAY),
        replay_store: One<StoreUrl> = One(StoreUrl::Memory),
        /// A smaller store has no space for any proof.
        replay_memory_bytes: Number<usize, { 64 * 1024 }, { u32::MAX }> = Number(Replay::BYTES),
        replay_failure: ReplayFailure = ReplayFailure::Refuse,
        nonce: Flag = Flag(false),
        nonce_secret: Option<Secret> = None,
        nonce_lifetime: PositivePeriod = Period(NonceIssuer::LIFETIME),
    }
}

section! {
    pub(super) Mtls {
        enabled: Flag = Flag(false),
        required: Flag = Flag(false),
        source: Option<CertificateOrigin> = None,
        /// As in the examples of nginx's documentation and of its ingress controllers.
        header: One<HeaderName> = One(HeaderName::from_static("x-ssl-client-cert")),
    }
}

section! {
    /// `[revocation]`: tokens that are rejected before they expire.
    pub(super) Revocation {
        enabled: Flag = Flag(false),
        store: One<StoreUrl> = One(StoreUrl::Memory),
        max_entries: Number<usize, 1, 10_000_000> = Number(Revocations::MOST),
        accept_unchecked: Flag = Flag(false),
        logout_path: One<PlainPath> = One("/events/logout".to_owned()),
        events_path: One<PlainPath> = One("/events/security".to_owned()),
        events_listener: EventsListener = EventsListener::Api,
        operator_token: Option<Secret> = None,
    }
}

section! {
    /// `[decision]`: how the service decides for proxies about the routes of `[[routes]]`.
    pub(super) Decision {
        path: One<PlainPath> = One("/decision".to_owned()),
        source: Option<DecisionSource> = None,
        statuses: DecisionStatuses = DecisionStatuses::Exact,
    }
}

section! {
    /// One of `[[routes]]`.
    pub(super) Route {
        method: List<Method> = List::EMPTY,
        path: Option<One<PathPattern>> = None,
        access: Option<RouteAccess> = None,
        scopes: List<ScopeToken> = List::EMPTY,
        any_scope: List<ScopeToken> = List::EMPTY,
        claims: RequiredClaims = RequiredClaims::default(),
        bound: Flag = Flag(false),
        direct: Flag = Flag(false),
        acr: List<ScopeToken> = List::EMPTY,
        amr: List<ScopeToken> = List::EMPTY,
        max_age: Option<PositivePeriod> = None,
    }
}

section! {
    /// Accepted in every build, so that one file serves them all.
    pub(super) DevIssuer {
        enabled: Flag = Flag(true),
        port: Port = Number(3011),
        tls_port: Port = Number(3012),
        dpop_nonce: Flag = Flag(false),
        opaque_tokens: Flag = Flag(false),
        /// Read into `user_entries`.
        #[serde(skip_serializing)]
        users: IgnoredAny = IgnoredAny,
        #[serde(skip)]
        user_entries: Vec<DevUser> = Vec::new(),
        /// Read into `client_entries`.
        #[serde(skip_serializing)]
        clients: IgnoredAny = IgnoredAny,
        #[serde(skip)]
        client_entries: Vec<DevClient> = Vec::new(),
    }
}

section! {
    /// One of `[[dev_issuer.users]]`.
    pub(super) DevUser {
        name: Option<One<Text>> = None,
        subject: Option<One<Text>> = None,
        scopes: Option<List<ScopeToken>> = None,
        claims: Claims = Claims::default(),
    }
}

section! {
    /// One of `[[dev_issuer.clients]]`.
    pub(super) DevClient {
        id: Option<One<Text>> = None,
        secret: Option<Secret> = None,
        scopes: Option<List<ScopeToken>> = None,
        redirect_uris: List<RedirectUri> = List::EMPTY,
    }
}

section! {
    /// `[openapi]`: the OpenAPI document.
    pub(super) OpenApi {
        enabled: Option<Flag> = None,
    }
}

section! {
    /// `[log]`: which lines are logged, and how.
    pub(super) Log {
        format: LogFormat = LogFormat::Text,
        level: One<LogFilter> = One(LogFilter::default()),
        subject: Flag = Flag(false),
        audit: Flag = Flag(false),
    }
}

section! {
    /// `[reload]`: when the settings are read again.
    pub(super) Reload {
        watch: Flag = Flag(false),
    }
}

/// When the service begins to serve, and what it does while keys have not been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartupMode {
    /// Serve at once; be unready until they are fetched.
    Background,
    /// Wait for them; then serve, with or without them.
    Wait,
    /// Wait for them; exit without them.
    Require,
}

/// How this API authenticates to the introspection endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuth {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// Which tokens of an issuer are introspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum IntrospectedTokens {
    Opaque,
    All,
}

/// Whether responses of the introspection endpoint are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SignedResponses {
    Offered,
    Required,
    Off,
}

impl From<SignedResponses> for issuer::SignedResponses {
    fn from(setting: SignedResponses) -> Self {
        match setting {
            SignedResponses::Offered => Self::Offered,
            SignedResponses::Required => Self::Required,
            SignedResponses::Off => Self::Off,
        }
    }
}

/// What is done with a proof while the replay store is unavailable.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReplayFailure {
    Refuse,
    Accept,
}

/// The listener to which issuers send logout tokens and security events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventsListener {
    /// That of the API.
    Api,
    /// That of probes and metrics.
    Operations,
}

/// Where client certificates are read from.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CertificateOrigin {
    Tls,
    ClientCert,
    EscapedPem,
    Xfcc,
}

/// Where a request for a decision has the method and URL of the request that is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DecisionSource {
    /// `X-Forwarded-Method` and `X-Forwarded-Uri`.
    Forwarded,
    /// `X-Original-Method` and `X-Original-URI`.
    Original,
    /// Its own method, and its own path after that of decisions.
    Request,
}

/// The statuses of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DecisionStatuses {
    /// That of each rejection.
    Exact,
    /// 403 instead of 400, 404 and 405, which nginx does not pass on.
    Nginx,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RouteAccess {
    Public,
    Authenticated,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object a line.
    Json,
}

impl Model {
    /// Deserialises the merged layers.
    ///
    /// # Errors
    /// A key is unknown, or its value alone cannot be used.
    pub(super) fn read(root: &Table, own: Option<OwnSection>) -> Result<Self, SettingsError> {
        let mut root = root.clone();
        if let Some(own) = own {
            root.remove(own.name);
        }
        let own = own.map(|own| own.name);
        reject_unknown(&root, "", [keys::<Self>(), own.as_slice()].concat())?;
        let (own, entries) = match root.get_mut(AUTH).map(|auth| &mut auth.kind) {
            Some(ValueKind::Table(auth)) => split(auth)?,
            _ => (Table::new(), None),
        };
        let routes = read_routes(&root)?;
        let dev_issuer = root.get(DEV_ISSUER).cloned();
        let dev_entries = |name| {
            dev_issuer
                .as_ref()
                .and_then(|section| member(section, name))
        };
        let mut model: Self = read("", &Value::from(root))?;
        model.route_entries = routes;
        model.auth.issuer = read(AUTH, &Value::from(own.clone()))?;
        model.auth.entries = entries
            .map(|entries| read_entries(ISSUERS, &entries, &own))
            .transpose()?;
        if let Some(users) = dev_entries("users") {
            model.dev_issuer.user_entries = read_entries(DEV_USERS, users, &Table::new())?;
        }
        if let Some(clients) = dev_entries("clients") {
            model.dev_issuer.client_entries = read_entries(DEV_CLIENTS, clients, &Table::new())?;
        }
        Ok(model)
    }
}

/// The entries of `[[routes]]`.
pub(super) fn read_routes(root: &Table) -> Result<Vec<Route>, SettingsError> {
    match root.get(ROUTES) {
        Some(routes) => read_entries(ROUTES, routes, &Table::new()),
        None => Ok(Vec::new()),
    }
}

/// Takes the keys of an issuer, and the entries of `[[auth.issuers]]`, out of `[auth]`.
fn split(auth: &mut Table) -> Result<(Table, Option<Value>), SettingsError> {
    let issuer = keys::<Issuer>();
    reject_unknown(auth, "auth.", [issuer, keys::<Auth>()].concat())?;
    let (own, mut others): (Table, Table) = std::mem::take(auth)
        .into_iter()
        .partition(|(key, _)| issuer.contains(&key.as_str()));
    let entries = others.remove("issuers");
    *auth = others;
    Ok((own, entries))
}

fn reject_unknown(
    section: &Table,
    prefix: &str,
    known: Vec<&'static str>,
) -> Result<(), SettingsError> {
    let unknown = section
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()));
    match unknown.min_by_key(|(key, _)| *key) {
        Some((key, value)) => {
            let origin = KeyOrigin::of(format!("{prefix}{key}"), value);
            Err(SettingsError::unknown(origin, key, known))
        }
        None => Ok(()),
    }
}

/// The entries of the list of sections `path`, with the values of `inherited` for the keys that they do not set.
fn read_entries<'de, T: Deserialize<'de>>(
    path: &str,
    entries: &Value,
    inherited: &Table,
) -> Result<Vec<T>, SettingsError> {
    let ValueKind::Array(values) = &entries.kind else {
        let origin = KeyOrigin::of(path.to_owned(), entries);
        return Err(origin.reject(format!("must be sections, each under [[{path}]]")));
    };
    let entries = values.iter().enumerate().map(|(index, entry)| {
        let mut entry = entry.clone();
        if let ValueKind::Table(set) = &mut entry.kind {
            let set = std::mem::take(set);
            entry.kind = inherited
                .clone()
                .into_iter()
                .chain(set)
                .collect::<Table>()
                .into();
        }
        read(&format!("{path}[{index}]"), &entry)
    });
    entries.collect()
}

const DEFAULT_METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

const LOOPBACK: &str = "127.0.0.1";

const AUTH: &str = "auth";

const ISSUERS: &str = "auth.issuers";

const ROUTES: &str = "routes";

const DEV_ISSUER: &str = "dev_issuer";

const DEV_USERS: &str = "dev_issuer.users";

const DEV_CLIENTS: &str = "dev_issuer.clients";
