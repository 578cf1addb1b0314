//! What can be typed after `voorveld`. Shapes and words only; what a command does is in `ops`.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;
use voorveld_chassis::telemetry::LogFormat;
use voorveld_domain::{
    FileCode, KindId, MunicipalityCode, PartnerId, PartnerType, RegistrationReason,
    RevocationReason, Role, RuleId, TeamId,
};

/// All went well.
pub const EXIT_OK: u8 = 0;
/// Something failed; the last line on standard error says what.
pub const EXIT_FAILED: u8 = 1;
/// The command line or the settings are not valid; nothing was done.
pub const EXIT_USAGE: u8 = 2;
/// `push`: the file was taken in, but some rows were refused.
pub const EXIT_ROWS_REFUSED: u8 = 3;

const AFTER_HELP: &str = "\
Examples:
  voorveld demo                             a municipality to look at, nothing to install but PostgreSQL
  voorveld all                              every role in one process, for a laptop or a small municipality
  voorveld gateway --config gateway.toml    one role, as in production
  voorveld check --policy ./policy          are my rules valid, and do their examples hold?

Settings come from the file (--config), then from the environment (VOORVELD__POSTGRES__URL is
postgres.url), then from flags (--set postgres.url=…); the later one wins.

Exit codes:
  0  all went well
  1  something failed; the last line says what
  2  the command line or the settings are not valid; nothing was done
  3  push: the file was taken in, but some rows were refused";

/// Early signals of need, joined per household, for Dutch municipalities.
///
/// Voorveld takes in what partners see early (a rent not paid, water to be cut off), finds out which household it is
/// about, and proposes to a neighbourhood team whom to visit, why, and by when. It decides nothing about anyone.
#[derive(Debug, Parser)]
#[command(name = "voorveld", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that go for every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Read settings from this file [default: config/voorveld.toml where it exists]
    #[arg(
        long,
        global = true,
        help_heading = "For every command",
        value_name = "FILE",
        env = "VOORVELD_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// Set one setting by its name in the file; may be repeated
    #[arg(long, global = true, help_heading = "For every command", value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Which lines to log, such as `info,voorveld_gateway=debug`
    #[arg(
        long,
        global = true,
        help_heading = "For every command",
        value_name = "FILTER"
    )]
    pub log_filter: Option<String>,
    /// How a log line looks: auto is plain text on a terminal and JSON elsewhere
    #[arg(long, global = true, help_heading = "For every command", value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as name=value, such as gateway.listen=127.0.0.1:8080".to_owned())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("choose auto, json or text".to_owned()),
    }
}

fn partner_type() -> impl TypedValueParser<Value = PartnerType> {
    PossibleValuesParser::new(PartnerType::ALL.iter().map(|known| known.code()))
        .try_map(|code| code.parse::<PartnerType>())
}

fn registration_reason() -> impl TypedValueParser<Value = RegistrationReason> {
    PossibleValuesParser::new(RegistrationReason::ALL.iter().map(|known| known.code()))
        .try_map(|code| code.parse::<RegistrationReason>())
}

fn revocation_reason() -> impl TypedValueParser<Value = RevocationReason> {
    PossibleValuesParser::new(RevocationReason::ALL.iter().map(|known| known.code()))
        .try_map(|code| code.parse::<RevocationReason>())
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|known| known.code()))
        .try_map(|code| code.parse::<Role>())
}

/// Roles and commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the partners' door: takes in signals over HTTP and from files, seals identities, writes the log
    ///
    /// Answers a partner only when the log holds the signal. Holds the public half of the sealing key only: it cannot
    /// open what it sealed.
    #[command(display_order = 1)]
    Gateway,
    /// Run the resolver: finds the household of each signal
    ///
    /// Reads signals.received, opens the seal, decides the household, writes signals.resolved. Holds the private half of
    /// the sealing key.
    #[command(display_order = 2)]
    Resolver,
    /// Run the correlator: judges each household by the rules and proposes tasks
    ///
    /// Reads signals.resolved. What a signal causes and the position it came from are stored in one transaction.
    #[command(display_order = 3)]
    Correlator,
    /// Run the worklists: pages and API for neighbourhood teams and the safety desk
    #[command(display_order = 4)]
    Outreach,
    /// Run the operations page: what came in, what is stuck, what is overdue. Reads only
    #[command(display_order = 5)]
    Console,
    /// Run every role in one process
    ///
    /// With no database configured it starts a private PostgreSQL of its own from the installed binaries, brings its
    /// schema up to date, makes keys, and keeps all of it in the data folder. With no broker configured the log is in
    /// that database too.
    #[command(display_order = 6)]
    All,
    /// Look at it all: every role, and a year of a municipality that does not exist
    ///
    /// Runs every role in one process, on a private PostgreSQL where no database is configured. Simulated partners deliver
    /// a year over HTTP, then a DDAS document and a spreadsheet; the roles live through that year on a clock of their own.
    /// Prints the pages to open and an account to sign in with. Keeps its data: the next start only opens the doors.
    #[command(display_order = 7)]
    Demo(Demo),
    /// Make a municipality that does not exist: a year of partners' files
    ///
    /// Households, partners, monthly deliveries with late, corrected, repeated, withdrawn and broken rows, in the formats
    /// that partners use. Volumes and shares follow the national figures. The same seed gives the same bytes. Beside the
    /// files stand partners.json (who sends), withdrawals.csv (what is taken back) and expected.csv (what must become of
    /// every row). Nobody in it exists.
    #[command(display_order = 8)]
    Simulate(Simulate),
    /// Send a file with signals to a municipality, as a partner
    ///
    /// CSV, XLSX, NDJSON or a DDAS document, told by the end of its name. Shows how far it is and which rows were refused, and
    /// writes those rows to a new file to correct, with what to do beside each. Sending the same file again does no harm.
    /// Ends with exit code 3 when rows were refused.
    #[command(display_order = 9)]
    Push(Push),
    /// Bring the database schema up to this release
    ///
    /// Roles refuse to start on an earlier schema. Run this before a rollout: old processes go on working, and come back when they end.
    #[command(display_order = 10)]
    Migrate,
    /// Check the settings and the rules, and run the rules' own examples
    ///
    /// Prints every example with what had to happen and what did. Ends with exit code 1 when one does not hold, so that
    /// it can stand in a pipeline before a new rule set is put in force.
    #[command(display_order = 11)]
    Check(Check),
    /// Print the JSON Schema of a file that a municipality writes, for its editor
    #[command(subcommand, display_order = 11)]
    Schema(Schema),
    /// Make the keys that seal identities
    #[command(subcommand, display_order = 12)]
    Keys(Keys),
    /// Add, list, rotate or disable partners and their API keys
    #[command(subcommand, display_order = 13)]
    Partner(Partner),
    /// Add, list, disable or reset accounts of colleagues
    #[command(subcommand, display_order = 14)]
    User(User),
    /// Look at what is stuck, and mend it: dead letters and signals without a household
    #[command(subcommand, display_order = 15)]
    Queue(Queue),
    /// Look at what rules are in force, publish others, run them beside as a shadow
    #[command(subcommand, display_order = 15)]
    Rules(Rules),
    /// Register, list or revoke objections, known clients and exclusions
    #[command(subcommand, display_order = 15, alias = "registrations")]
    Registration(Registration),
    /// Show who opened or changed what, when and why
    #[command(display_order = 16)]
    Audit(Audit),
    /// Show what is past its retention and will be erased; erases nothing itself
    #[command(display_order = 17)]
    Retention,
    /// Show what is known of a household and what each rule says of it, also the rules that stay silent
    #[command(display_order = 17)]
    Explain(Explain),
    /// Try rules on stored history, beside the rules in force
    ///
    /// What would these rules have found, how much work would that have been per team and week, and which households would
    /// come or go, and why? Prints the main things; --html writes a report to read and print, --json everything. Changes
    /// nothing. Shows no one: random ids, and no count of fewer than ten where it is about people.
    #[command(display_order = 18)]
    Backtest(Backtest),
    /// Print the OpenAPI document of the partners' door
    #[command(display_order = 19)]
    Openapi,
    /// Measure this machine: how fast signals become tasks
    #[command(subcommand, display_order = 20)]
    Bench(Bench),
}

/// `voorveld demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Stop when everything delivered has come to rest, and print what became of it
    #[arg(long)]
    pub exit: bool,
    /// Print what became of it as JSON, and nothing else
    #[arg(long, requires = "exit")]
    pub json: bool,
    /// Leave every task as it was raised: no simulated colleagues work the list
    #[arg(long)]
    pub untouched: bool,
    /// Where it keeps its database, keys and account
    #[arg(long, value_name = "FOLDER", default_value = crate::config::DEMO_DATA_FOLDER)]
    pub data: PathBuf,
    /// How many live in the municipality; only at the first start
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=20_000_000))]
    pub inhabitants: u32,
    /// The same seed gives the same year; only at the first start
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// How many calendar months to live through; only at the first start
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub months: u32,
    /// Open the four doors at this port and the three after it [default: as the settings say]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port: Option<u16>,
}

/// `voorveld simulate`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  voorveld simulate --out year                  a year of 50,000 inhabitants\n  voorveld simulate --out bulk --rows 500000    one large CSV file\n  voorveld simulate --to http://127.0.0.1:8080 --keys keys"
)]
pub struct Simulate {
    /// Write files into this new folder
    #[arg(long, value_name = "FOLDER", required_unless_present = "to")]
    pub out: Option<PathBuf>,
    /// Send straight to the gateway at this address, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", requires = "keys", conflicts_with = "rows")]
    pub to: Option<String>,
    /// The folder with the partners' API keys, PARTNER.key each, as `partner add --key-file` writes them
    #[arg(long, value_name = "FOLDER")]
    pub keys: Option<PathBuf>,
    /// Write one CSV file of this many rows instead of a year
    #[arg(long, value_name = "N", requires = "out")]
    pub rows: Option<u32>,
    /// The same seed gives the same municipality and the same year
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// How many live there; volumes follow
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=20_000_000))]
    pub inhabitants: u32,
    /// CBS code that the partners send for
    #[arg(long, value_name = "CODE", default_value = "0518")]
    pub municipality: MunicipalityCode,
    /// How many calendar months, the last one being that of --until
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub months: u32,
    /// The last day on which anything is sent [default: today]
    #[arg(long, value_name = "DATE")]
    pub until: Option<jiff::civil::Date>,
}

/// `voorveld push`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  voorveld push signalen.csv --url https://signalen.gemeente.example --key-file woonstede.key"
)]
pub struct Push {
    /// The file to send
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the municipality's door is, without /v1
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// A file with your API key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// The kind of every row that names none
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindId>,
    /// The municipality of every row that names none (CBS code)
    #[arg(long, value_name = "CODE")]
    pub municipality: Option<MunicipalityCode>,
    /// With this file everything dated on this day or before is delivered; the file may then be empty
    #[arg(long, value_name = "DATE")]
    pub complete_through: Option<jiff::civil::Date>,
    /// Of this kind; may be repeated [default: that of --kind, else all you may send]
    #[arg(
        long = "complete-kind",
        value_name = "KIND",
        requires = "complete_through"
    )]
    pub complete_kinds: Vec<KindId>,
    /// Where to write the refused rows [default: beside the file, as NAME.te-verbeteren]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write what became of each row here, as text with semicolons: row, outcome, our id of the signal, revision
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,
}

/// `voorveld bench …`
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// From a partner's file to committed tasks, through every role
    ///
    /// Each run starts every role in this process on a private PostgreSQL that is thrown away, sends one CSV file of an invented
    /// municipality over HTTP with sealing on, and waits until every task is committed. With kafka.brokers set the log is on those
    /// brokers, in topics of its own that they drop after an hour.
    #[command(
        after_help = "Examples:\n  voorveld bench chain\n  voorveld bench chain --set kafka.brokers=127.0.0.1:9092 --set kafka.replication=1"
    )]
    Chain(BenchChain),
    /// From the log of resolved signals to committed matches and tasks, beside the bare loop
    ///
    /// Fills the log with signals that nobody sent, and times a correlator from its first record to its last commit on a private PostgreSQL that is
    /// thrown away. In the same run the bare loop reads the same topic and copies the same rows into the same tables with the same indexes, and
    /// decides nothing.
    #[command(
        after_help = "Examples:\n  voorveld bench correlate --rules reference\n  voorveld bench correlate --profile bursts --set kafka.brokers=127.0.0.1:9092 --set kafka.replication=1"
    )]
    Correlate(BenchCorrelate),
    /// Whether speed and memory hold as more is stored
    ///
    /// For each number of households a database of its own is filled through a correlator, with a signal for each household that is drawn (some have none,
    /// some several). Then it is timed on more of the same: once by the process that filled it, and once by one that begins with nothing at hand.
    #[command(
        after_help = "Examples:\n  voorveld bench grow\n  voorveld bench grow --households 10000000 --profile skewed --set correlator.cached_mib=2048"
    )]
    Grow(BenchGrow),
    /// From a signal that is sent to the task that a colleague sees, at a fixed rate
    ///
    /// Starts every role in this process on a private PostgreSQL that is thrown away, and sends signals one by one over HTTP, each when it is due. Each is
    /// measured from that moment, so that nobody who would have waited is left out. A long run also says whether memory grows.
    #[command(
        after_help = "Examples:\n  voorveld bench latency --rate 100 --for 60\n  voorveld bench latency --rate 50 --for 3600"
    )]
    Latency(BenchLatency),
    /// How long until signals that were taken back count nowhere
    ///
    /// A correlator judges what is on the log; then some of it is taken back on the log, spread evenly, and it is timed from the first record appended until
    /// no match and no open task leans on any of them.
    #[command(
        after_help = "Example:\n  voorveld bench retraction --signals 100000 --withdrawn 10000"
    )]
    Retraction(BenchRecover),
    /// How long a correlator takes to start on a stored history
    ///
    /// From its start to the commit of its first batch, joining the log included; and what memory it takes.
    #[command(after_help = "Example:\n  voorveld bench start --signals 1000000 --runs 1")]
    Start(BenchRecover),
    /// The engine alone against a loop written by hand for two rules
    ///
    /// Signals are made up and fed one by one, on one core, with no database and no log. Both must give the same matches with the same
    /// witnesses. With --write nothing is measured: the signals and the matches are written for another program to compute again.
    #[command(
        after_help = "Examples:\n  voorveld bench engine\n  voorveld bench engine --write /tmp/load && scripts/duckdb.sh check /tmp/load"
    )]
    Engine(BenchEngine),
    /// One rule over a stored year of the whole country
    ///
    /// Fills a private PostgreSQL that is thrown away with signals that nobody sent, and times `voorveld backtest` from the first
    /// question to the last count.
    #[command(after_help = "Example:\n  voorveld bench backtest --runs 5")]
    Backtest(BenchBacktest),
}

/// `voorveld bench engine`
#[derive(Debug, Args)]
pub struct BenchEngine {
    /// How many signals
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub signals: u32,
    /// Of how many households
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub households: u32,
    /// How often; the medians are printed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// The same seed gives the same signals
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Write signals.csv and matches.csv here, and measure nothing
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    pub write: Option<PathBuf>,
    /// Print machine and runs as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// In which manner invented signals come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchProfile {
    /// Each on its own day
    InOrder,
    /// Up to 30 days late, so that their days are shuffled
    Shuffled,
    /// Once a month, up to 90 days late
    Bursts,
    /// One in ten corrects, takes back or moves an earlier one
    Corrections,
    /// Half of them of a quarter of the households, hundreds of a few
    Skewed,
    /// 5,000 of them of one household: an institution that nobody excluded
    Institution,
}

/// By which rules a bench judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchRules {
    /// Two: two kinds within 60 days, three of one kind within 90
    Reference,
    /// Those that ship
    Default,
}

/// `voorveld bench correlate`
#[derive(Debug, Args)]
pub struct BenchCorrelate {
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub signals: u32,
    /// Of how many households [default: half as many]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub households: Option<u32>,
    /// In which manner they come in
    #[arg(long, value_enum, default_value = "in-order")]
    pub profile: BenchProfile,
    /// By which rules they are judged
    #[arg(long, value_enum, default_value = "default")]
    pub rules: BenchRules,
    /// How often; the medians are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Show what each statement took, and which indexes were used; it costs some time itself
    #[arg(long, conflicts_with = "json")]
    pub statements: bool,
    /// The same seed gives the same records
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Print machine and runs as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld bench grow`
#[derive(Debug, Args)]
pub struct BenchGrow {
    /// How many households, and as many signals, are stored; may be repeated [default: 100000 and 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub households: Vec<u32>,
    /// So many records are timed; less, the first time, what two batches took of them beforehand
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(20_000..=1_000_000))]
    pub timed: u32,
    /// How often, by the process that filled the database, and by as many that begin with nothing at hand
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub runs: u32,
    /// In which manner they come in
    #[arg(long, value_enum, default_value = "in-order")]
    pub profile: BenchProfile,
    /// By which rules they are judged
    #[arg(long, value_enum, default_value = "reference")]
    pub rules: BenchRules,
    /// The same seed gives the same records
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Print machine and figures as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld bench latency`
#[derive(Debug, Args)]
pub struct BenchLatency {
    /// Signals offered a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// For how many seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// So many seconds before that are sent like the rest and not measured: readers share the partitions first
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub warm_up: u32,
    /// Show what each statement took, and what was written; it costs some time itself
    #[arg(long, conflicts_with = "json")]
    pub statements: bool,
    /// The same seed gives the same households
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Print machine and figures as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld bench retraction` and `voorveld bench start`
#[derive(Debug, Args)]
pub struct BenchRecover {
    /// Signals that are stored already
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub signals: u32,
    /// Of these, so many are taken back; a start has no use for it
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub withdrawn: u32,
    /// How often; the medians are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// The same seed gives the same records
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Print machine and runs as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld bench chain`
#[derive(Debug, Args)]
pub struct BenchChain {
    /// Rows of the file
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    pub signals: u32,
    /// Of these, so many are about one front door: an institution that nobody excluded
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pub crowd: u32,
    /// How often; the medians are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Show what each statement took, and what was written, of the last run; it costs some time itself
    #[arg(long, conflicts_with = "json")]
    pub statements: bool,
    /// The same seed gives the same file
    #[arg(long, value_name = "N", default_value_t = 2026)]
    pub seed: u64,
    /// Print machine and runs as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld schema`
#[derive(Debug, Subcommand)]
pub enum Schema {
    /// Of rules/*.yaml
    ///
    /// Save it beside the folder as rules.schema.json; a rule file that begins with the line
    /// `# yaml-language-server: $schema=../rules.schema.json` is then completed and checked while it is written.
    Rules,
}

/// `voorveld bench backtest`
#[derive(Debug, Args)]
pub struct BenchBacktest {
    /// Stored signals, one year of the whole country by default
    #[arg(long, value_name = "N", default_value_t = 1_700_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub signals: u32,
    /// Households that they are spread over
    #[arg(long, value_name = "N", default_value_t = 1_200_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub households: u32,
    /// The rule that is tried
    #[arg(long, value_name = "RULE", default_value = "debt.multiple")]
    pub rule: RuleId,
    /// How often; the median is printed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Print machine and runs as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `voorveld backtest`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  voorveld backtest --policy ./concept --from 2025-01-01 --to 2025-12-31 --html terugblik.html\n  voorveld backtest --policy ./concept --rule debt.high_amount --from 2025-01-01 --to 2025-12-31\n  voorveld backtest --clock knowledge --from 2025-01-01 --to 2025-12-31 --json -"
)]
pub struct Backtest {
    /// The folder with the rules to try, as for `check` [default: the rules in force]
    #[arg(long, value_name = "FOLDER")]
    pub policy: Option<PathBuf>,
    /// What to compare with: `published`, the rules in force, or a folder
    #[arg(long, value_name = "published|FOLDER", default_value = "published")]
    pub against: String,
    /// Only this rule, in both sets; may be repeated
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<RuleId>,
    /// The first day that counts
    #[arg(long, value_name = "DATE")]
    pub from: jiff::civil::Date,
    /// The last day that counts; nothing after it is known
    #[arg(long, value_name = "DATE")]
    pub to: jiff::civil::Date,
    /// `event`: each signal on its own date, in its last form. `knowledge`: each copy when it came, and what colleagues did in its place
    #[arg(long, value_name = "CLOCK", default_value = "event", value_parser = ["event", "knowledge"])]
    pub clock: String,
    /// Write everything as JSON; `-` writes it to the screen and nothing else
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report to read and print: one file, opened by any browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `voorveld check`
#[derive(Debug, Args)]
pub struct Check {
    /// The folder with signals.yaml, profiles.yaml, legal.yaml, routing.yaml, calendar.yaml and rules/ [default: policy_dir
    /// of the settings, else the rules that came with this release]
    #[arg(long, value_name = "FOLDER")]
    pub policy: Option<PathBuf>,
    /// Print only what does not hold
    #[arg(long, short)]
    pub quiet: bool,
}

/// `voorveld keys …`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a sealing key pair and an index secret, in new files
    ///
    /// Writes sealing.public (for the gateway), opening.private (for resolver and outreach only) and index.secret (for
    /// gateway and resolver). Never overwrites: a lost opening key makes every identity sealed to it unreadable.
    Generate {
        /// Where to write the three files
        #[arg(long, value_name = "FOLDER", default_value = "keys")]
        folder: PathBuf,
    },
}

/// `voorveld partner …`
#[derive(Debug, Subcommand)]
pub enum Partner {
    /// Add a partner and print its API key, once
    #[command(
        after_help = "Example:\n  voorveld partner add corporatie-noord --name 'Corporatie Noord' \\\n    --municipality 0518 --kind rent_arrears"
    )]
    Add {
        /// A short name in lower case: letters, digits, hyphens
        id: PartnerId,
        /// What people call it
        #[arg(long)]
        name: String,
        /// A municipality it may send for (CBS code of four digits); may be repeated [default: all that are served]
        #[arg(long = "municipality", value_name = "CODE")]
        municipalities: Vec<MunicipalityCode>,
        /// A signal kind it may send; may be repeated
        #[arg(long = "kind", value_name = "KIND", required = true)]
        kinds: Vec<KindId>,
        /// An official partner type it acts as; may be repeated [default: the usual one of each kind]
        #[arg(long = "type", value_name = "TYPE", value_parser = partner_type())]
        partner_types: Vec<PartnerType>,
        /// Most signals a minute it may send; a first burst of up to 1,000 is always let through
        #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..))]
        rows_per_minute: u32,
        /// Know a row without reference by what it says, instead of refusing it
        #[arg(long)]
        natural_key: bool,
        /// Within how many days it means to deliver something; after half as much again without a word, operations is told
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        delivers_every: Option<u16>,
        /// Write the API key to a new file that only its owner can read, instead of to the screen
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// List partners, what they may send, and how old their keys are
    List,
    /// Give a partner a new API key; the old one goes on working for a while
    Rotate {
        /// The partner
        id: PartnerId,
        /// How many hours the old key goes on working
        #[arg(long, value_name = "HOURS", default_value_t = 168)]
        overlap_hours: u32,
        /// Write the API key to a new file that only its owner can read, instead of to the screen
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Stop taking signals from a partner: its keys end now
    Disable {
        /// The partner
        id: PartnerId,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
    },
    /// Write down within how many days a partner means to deliver something
    ///
    /// After half as much again without a word from it, the console and a metric say so.
    Cycle {
        /// The partner
        id: PartnerId,
        /// So many days [default: nothing is agreed on]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        days: Option<u16>,
    },
    /// Write down that a partner has delivered everything up to a day, for one that says so by telephone or letter
    ///
    /// Rules that ask what did not come conclude something only then. A day never goes back.
    #[command(
        after_help = "Example:\n  voorveld partner complete corporatie-noord --through 2025-06-30 --kind rent_arrears \\\n    --reason 'telefonisch, nota 2025-113'"
    )]
    Complete {
        /// The partner
        id: PartnerId,
        /// Everything dated on this day or before is delivered; at most today
        #[arg(long, value_name = "DATE")]
        through: jiff::civil::Date,
        /// Of this kind; may be repeated [default: all it may send]
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<KindId>,
        /// For this municipality (CBS code) [default: each it may send for]
        #[arg(long, value_name = "CODE")]
        municipality: Option<MunicipalityCode>,
        /// How we know; kept in the audit log
        #[arg(long)]
        reason: String,
    },
}

/// `voorveld user …`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add an account; asks for a first password, which must be changed at first sign-in
    #[command(
        after_help = "Example:\n  voorveld user add sam --name 'Sam de Vries' --municipality 0518 --role team_member --team wijkteam-noord"
    )]
    Add {
        /// What the colleague signs in with
        login: String,
        /// What colleagues call them
        #[arg(long)]
        name: String,
        /// The municipality they work for (CBS code of four digits) [default: the one that is served]
        #[arg(long, value_name = "CODE")]
        municipality: Option<MunicipalityCode>,
        /// What they may do; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true, value_parser = role())]
        roles: Vec<Role>,
        /// A team whose worklist they see; may be repeated
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<TeamId>,
        /// Read the first password from this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List accounts
    List,
    /// Close an account and end its sessions
    Disable {
        /// What the colleague signs in with
        login: String,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
    },
    /// Give an account a new first password and end its sessions
    Reset {
        /// What the colleague signs in with
        login: String,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
        /// Open the account again if it was closed
        #[arg(long)]
        reopen: bool,
        /// Read the first password from this file instead of asking for it
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// `voorveld queue …`
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List what is stuck, oldest first
    List {
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one entry and what can be done about it; never whom it is about
    Show {
        /// Its id in the list
        entry: Uuid,
    },
    /// Offer an entry to its stage again, after the cause is gone
    Retry {
        /// Its id in the list
        entry: Uuid,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
    },
    /// Give a signal without a household its address, read from standard input or a file
    ///
    /// The address is a line of JSON: {"postcode":"1234AB","houseNumber":"12","suffix":"A"}. It does not go on the command
    /// line, where others on this machine could read it.
    Correct {
        /// Its id in the list
        entry: Uuid,
        /// Read the address from this file [default: standard input]
        #[arg(long, value_name = "FILE")]
        address_file: Option<PathBuf>,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
    },
    /// Set an entry aside for good
    Discard {
        /// Its id in the list
        entry: Uuid,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: String,
    },
}

/// `voorveld registration …`
#[derive(Debug, Subcommand)]
pub enum Registration {
    /// Register an objection, a known client or an exclusion
    ///
    /// The rules heed it within seconds: signals under objection stop counting, nothing is raised about who is excluded. There are no words
    /// about anybody: a reason from the list, and at most the number of a file of your own.
    #[command(
        after_help = "Example:\n  voorveld registration add 0198c0de-0000-7000-8000-000000000001 --person --reason by_resident"
    )]
    Add(RegistrationAdd),
    /// List what stands, newest first
    List {
        /// Also what was revoked or is over
        #[arg(long)]
        all: bool,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a registration: signals count again
    Revoke {
        /// Its id in the list
        id: Uuid,
        /// Why it stands no more
        #[arg(long, value_name = "REASON", value_parser = revocation_reason())]
        reason: RevocationReason,
    },
}

/// `voorveld registration add`
#[derive(Debug, Clone, Args)]
pub struct RegistrationAdd {
    /// A task, a signal or a household, by its id
    pub subject: Uuid,
    /// About the person whom the signal names, wherever their signals live; without it about the household
    #[arg(long)]
    pub person: bool,
    /// What, and why
    #[arg(long, value_name = "REASON", value_parser = registration_reason())]
    pub reason: RegistrationReason,
    /// Since which day [default: today]
    #[arg(long, value_name = "DATE")]
    pub since: Option<jiff::civil::Date>,
    /// The last day
    #[arg(long, value_name = "DATE")]
    pub until: Option<jiff::civil::Date>,
    /// Number of a file of your own; no name and no BSN
    #[arg(long, value_name = "NUMBER")]
    pub file_code: Option<FileCode>,
}

/// `voorveld rules …`
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List what was published: by whom, when, why, and which partitions of the log it judges
    List {
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Show what files say otherwise than what was published, rule by rule, in words and in values
    Diff {
        /// The folder with the policy files [default: policy_dir of the settings, else the files of this release]
        #[arg(long, value_name = "FOLDER")]
        policy: Option<PathBuf>,
        /// What to compare with: `live`, or the start of a bundle's hash
        #[arg(long, value_name = "live|HASH", default_value = "live")]
        against: String,
    },
    /// Put policy files in force, after showing what that does to the open tasks and to last quarter
    ///
    /// Runs the rules' examples, refuses a rule that says something else under a version that was published, shows what would become of every open
    /// task and what each rule would have found in the last 91 days, and asks. Whoever judges picks it up within seconds; tasks keep the version
    /// that raised them.
    #[command(
        after_help = "Examples:\n  voorveld rules publish --policy ./policy --reason 'drempel naar 50 euro' --by 'A. Adviseur'\n  voorveld rules publish --policy ./policy --shadow --reason proef --by 'A. Adviseur'"
    )]
    Publish(RulesPublish),
    /// Take a rule out of what is in force, or end the shadow
    ///
    /// The matches of a rule that is taken out go; open tasks that lean on nothing else are withdrawn, and a colleague who has one decides.
    Retire(RulesRetire),
    /// Compare the shadow with what is live: matches per rule, and households that only one of the two finds
    Compare {
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Work off the backlog of a rule: let it raise with signals that came before its version, too
    ///
    /// A new version matches all history but raises only with a signal that came after it. This shows what the rest would raise, per team, and asks.
    Backlog(RulesBacklog),
}

/// `voorveld rules publish`
#[derive(Debug, Args)]
pub struct RulesPublish {
    /// The folder with the policy files [default: policy_dir of the settings, else the files of this release]
    #[arg(long, value_name = "FOLDER")]
    pub policy: Option<PathBuf>,
    /// Why; kept with the publication and in the audit log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Who answers for it, by name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: String,
    /// Run it beside what is live: it raises nothing, and ends the shadow before it
    #[arg(long)]
    pub shadow: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only show what it would do
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}

/// `voorveld rules retire`
#[derive(Debug, Args)]
pub struct RulesRetire {
    /// The rule, such as debt.single; or `shadow`
    #[arg(value_name = "RULE|shadow")]
    pub what: String,
    /// Why; kept with the publication and in the audit log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    /// Who answers for it, by name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only show what it would do
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}

/// `voorveld rules backlog`
#[derive(Debug, Args)]
pub struct RulesBacklog {
    /// The rule, such as debt.single
    #[arg(long, value_name = "RULE")]
    pub rule: RuleId,
    /// Why; kept in the audit log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
    /// Who answers for it, by name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Only show what it would raise
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}

/// `voorveld audit`
#[derive(Debug, Args)]
pub struct Audit {
    /// Only acts of this colleague, by account id; or of `cli:name`, a system user at a command line
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Only acts on this task, signal, household or partner
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// Only acts of this kind, such as identity.opened
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only on or after this day
    #[arg(long, value_name = "DATE")]
    pub from: Option<jiff::civil::Date>,
    /// Only this many, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// `voorveld explain`
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["household", "signal", "task"])))]
pub struct Explain {
    /// The household, by its id
    #[arg(long, value_name = "ID")]
    pub household: Option<Uuid>,
    /// The household of this signal
    #[arg(long, value_name = "ID")]
    pub signal: Option<Uuid>,
    /// The household of this task, and no more than the task's purpose covers
    #[arg(long, value_name = "ID")]
    pub task: Option<Uuid>,
    /// Judge as of this day [default: today]
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<jiff::civil::Date>,
    /// Also what only the safety desk may know; needs a reason
    #[arg(long, requires = "reason")]
    pub with_safety: bool,
    /// Why you look; kept in the audit log
    #[arg(long)]
    pub reason: Option<String>,
    /// In which language; names of kinds and fields are the municipality's and stay Dutch
    #[arg(long, value_enum, default_value = "nl")]
    pub language: SpokenLanguage,
    /// Print JSON, as docs/explain.md describes it
    #[arg(long)]
    pub json: bool,
}

/// A language one can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpokenLanguage {
    /// Dutch
    Nl,
    /// English
    En,
}

impl From<SpokenLanguage> for voorveld_detect::explain::Language {
    fn from(asked: SpokenLanguage) -> Self {
        match asked {
            SpokenLanguage::Nl => Self::Dutch,
            SpokenLanguage::En => Self::English,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_look_at_safety_needs_a_reason() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        for (line, fits) in [
            (vec!["--task", id], true),
            (
                vec!["--task", id, "--as-of", "2026-01-31", "--reason", "klacht"],
                true,
            ),
            (
                vec![
                    "--task",
                    id,
                    "--with-safety",
                    "--reason",
                    "verzoek van de desk",
                ],
                true,
            ),
            (vec!["--task", id, "--with-safety"], false),
            (vec!["--task", id, "--household", id], false),
            (vec!["--reason", "zomaar"], false),
        ] {
            let all = ["voorveld", "explain"]
                .into_iter()
                .chain(line.iter().copied());
            assert_eq!(Cli::try_parse_from(all).is_ok(), fits, "{line:?}");
        }
    }

    #[test]
    fn the_documented_exit_codes_are_those_of_the_program() {
        for code in [EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_ROWS_REFUSED] {
            assert!(AFTER_HELP.contains(&format!("\n  {code}  ")), "{code}");
        }
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn look(command: &clap::Command) {
            for sub in command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
            {
                assert!(sub.get_about().is_some(), "{} says nothing", sub.get_name());
                for argument in sub.get_arguments() {
                    assert!(
                        argument.get_help().is_some(),
                        "{} {} says nothing",
                        sub.get_name(),
                        argument.get_id()
                    );
                }
                look(sub);
            }
        }
        look(&Cli::command());
    }
}
