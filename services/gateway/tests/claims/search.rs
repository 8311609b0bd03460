//! Every documented search, drawn at random, by everybody: the gateway finds what the plain model finds, and nothing else.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use serde_json::Value;
use tokio::{runtime::Handle, task::block_in_place};

use super::{
    common::{Person, World, fhir::get},
    model::{self, Stored},
    stage::{NUMBERS, STANDINGS, Stage, Standing, account},
};

type Part = (String, String);

/// Who asks, what, and how many at a time.
#[derive(Debug, Clone)]
struct Question {
    asker: Asker,
    parts: Vec<Part>,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
enum Asker {
    Insurer,
    Hospital,
    Doctor,
    Patient(usize),
}

impl Asker {
    /// Whose claims it may read. The registrar's suspension of a patient ends what others may, not what is the patient's own.
    fn entitled(self) -> Vec<usize> {
        let of = |wanted: &dyn Fn(Standing) -> bool| {
            let all = STANDINGS.into_iter().enumerate();
            all.filter(|(_, standing)| wanted(*standing))
                .map(|(place, _)| place)
                .collect()
        };
        match self {
            Self::Insurer => of(&Standing::is_entitled),
            Self::Hospital => of(&|standing| standing != Standing::Suspended),
            Self::Doctor => vec![],
            Self::Patient(place) => vec![place],
        }
    }

    fn person<'a, 'b>(self, stage: &'a Stage<'b>) -> &'a Person<'b> {
        match self {
            Self::Insurer => &stage.people.insurer,
            Self::Hospital => &stage.people.hospital,
            Self::Doctor => &stage.people.doctor,
            Self::Patient(place) => &stage.patients[place],
        }
    }
}

/// The values of a resource's member in the data.
fn values(among: &[Stored], value: impl Fn(&Stored) -> String) -> Vec<String> {
    BTreeSet::from_iter(among.iter().map(value)).into_iter().collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// One parameter with one to three values of `pool`.
fn any_of(name: &'static str, pool: Vec<String>) -> BoxedStrategy<Part> {
    let values = vec(select(pool), 1..=3);
    values
        .prop_map(move |values| (name.to_owned(), values.join(",")))
        .boxed()
}

fn created(among: &[Stored]) -> BoxedStrategy<Part> {
    let day = select(values(among, |claim| text(&claim.sent["created"])[..10].to_owned()));
    let prefix = select(vec!["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]);
    let digits = select(vec![4, 7, 10]);
    (prefix, day, digits)
        .prop_map(|(prefix, day, digits)| ("created".to_owned(), format!("{prefix}{}", &day[..digits])))
        .boxed()
}

/// What both types are searched by.
fn shared(stage: &Stage<'_>, among: &[Stored]) -> Vec<BoxedStrategy<Part>> {
    let mut ids = values(among, |stored| stored.id.clone());
    ids.push("0".repeat(64));
    let mut accounts: Vec<String> = (0..STANDINGS.len())
        .map(|n| format!("urn:chartseal:account|{}", account(n)))
        .collect();
    accounts.push("urn:chartseal:account|eip155:31337:0x0000000000000000000000000000000000000001".into());
    let mut charts = stage.charts.clone();
    charts.push(format!("Patient/{}", "0".repeat(64)));
    let mut insurers = values(among, |stored| text(&stored.sent["insurer"]["reference"]));
    insurers.extend(["ours".to_owned(), "Organization/nobody".to_owned()]);
    vec![
        any_of("_id", ids),
        any_of("patient", charts),
        any_of("patient.identifier", accounts),
        any_of("status", ["active", "cancelled", "draft"].map(str::to_owned).into()),
        any_of(
            "use",
            ["claim", "preauthorization", "predetermination"]
                .map(str::to_owned)
                .into(),
        ),
        any_of("insurer", insurers),
        created(among),
    ]
}

fn of_claims(stage: &Stage<'_>) -> Vec<BoxedStrategy<Part>> {
    let among = &stage.claims;
    let number = |claim: &Stored| text(&claim.sent["identifier"][0]["value"]);
    let mut numbers = values(among, number);
    numbers.extend(values(among, |claim| format!("{NUMBERS}|{}", number(claim))));
    numbers.extend(values(among, |claim| {
        format!("http://elsewhere.example|{}", number(claim))
    }));
    numbers.push("no-such-claim".into());
    let mut parts = shared(stage, among);
    parts.extend([
        any_of("identifier", numbers),
        any_of(
            "provider",
            values(among, |claim| text(&claim.sent["provider"]["reference"])),
        ),
        any_of(
            "priority",
            [
                "normal",
                "http://terminology.hl7.org/CodeSystem/processpriority|normal",
                "stat",
            ]
            .map(str::to_owned)
            .into(),
        ),
    ]);
    parts
}

fn of_responses(stage: &Stage<'_>) -> Vec<BoxedStrategy<Part>> {
    let among = &stage.responses;
    let mut parts = shared(stage, among);
    let requests = values(among, |response| text(&response.sent["request"]["reference"]));
    let numbers = values(among, |response| text(&response.sent["identifier"][0]["value"]));
    parts.extend([
        any_of("request", requests),
        any_of(
            "outcome",
            ["complete", "queued", "error", "partial", "none"]
                .map(str::to_owned)
                .into(),
        ),
        any_of("identifier", numbers),
    ]);
    parts
}

fn questions(parts: Vec<BoxedStrategy<Part>>) -> impl Strategy<Value = Question> {
    let asker = prop_oneof![
        6 => Just(Asker::Insurer),
        1 => Just(Asker::Hospital),
        1 => Just(Asker::Doctor),
        2 => (0..STANDINGS.len()).prop_filter("suspended", |n| STANDINGS[*n] != Standing::Suspended).prop_map(Asker::Patient),
    ];
    let parts = vec(proptest::strategy::Union::new(parts), 0..=3);
    (asker, parts, select(vec![5, 20, 100])).prop_map(|(asker, parts, count)| Question {
        asker,
        // Every page opens what may match again, so small pages are drawn where little does.
        count: if parts.len() < 2 { 100 } else { count },
        parts,
    })
}

/// Every page of a search, and how many matches it said there are.
async fn pages(who: &Person<'_>, kind: &str, question: &Question) -> (BTreeSet<String>, usize) {
    let mut url = reqwest::Url::parse(&format!("{}/fhir/R4/{kind}", who.world.base)).unwrap();
    url.query_pairs_mut()
        .extend_pairs(&question.parts)
        .append_pair("_count", &question.count.to_string());
    let (mut next, mut ids, mut total) = (Some(url.to_string()), Vec::new(), None);
    while let Some(url) = next {
        let answer = get(who, &url).await;
        let page = answer.json();
        assert_eq!(answer.status, 200, "{page}");
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        assert!(entries.len() <= question.count);
        ids.extend(entries.iter().map(|entry| text(&entry["resource"]["id"])));
        assert_eq!(
            *total.get_or_insert(page["total"].clone()),
            page["total"],
            "the total stays from page to page"
        );
        let links = page["link"].as_array().unwrap();
        next = links
            .iter()
            .find(|link| link["relation"] == "next")
            .map(|link| text(&link["url"]));
    }
    let set = BTreeSet::from_iter(ids.iter().cloned());
    assert_eq!(set.len(), ids.len(), "no match is on two pages");
    (set, usize::try_from(total.unwrap().as_u64().unwrap()).unwrap())
}

fn hold(stage: &Stage<'_>, kind: &'static str, among: &[Stored], parts: Vec<BoxedStrategy<Part>>, cases: u32) -> usize {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]));
    let matched = std::cell::Cell::new(0);
    let outcome = runner.run(&questions(parts), |question| {
        let (asker, nothing) = (question.asker, BTreeSet::new());
        let alone = match asker {
            Asker::Insurer => &stage.insurers,
            Asker::Doctor => &stage.doctors,
            Asker::Hospital | Asker::Patient(_) => &nothing,
        };
        let expected = model::found(stage, among, &asker.entitled(), alone, &question.parts);
        let (ids, total) =
            block_in_place(|| Handle::current().block_on(pages(question.asker.person(stage), kind, &question)));
        matched.set(matched.get() + expected.len());
        prop_assert_eq!(&ids, &expected);
        prop_assert_eq!(total, expected.len());
        Ok(())
    });
    match outcome {
        Ok(()) => matched.get(),
        Err(TestError::Fail(why, question)) => panic!("{kind}: {question:?}: {why}"),
        Err(refused) => panic!("{kind}: {refused}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurer_with_mixed_grants_gets_exactly_the_entitled_claims_by_every_search() {
    // Many requests on a chain that stands still meanwhile.
    let world = World::with("max_head_age = 3600").await;
    let stage = Stage::set(&world).await;
    assert_eq!(stage.claims.len(), 239, "every claim of the sample patients");
    assert!(stage.responses.len() > 20);
    let matched = hold(&stage, "Claim", &stage.claims, of_claims(&stage), 100);
    assert!(matched > 600, "the questions find something: {matched}");
    let matched = hold(&stage, "ClaimResponse", &stage.responses, of_responses(&stage), 60);
    assert!(matched > 60, "the questions find something: {matched}");
    world.stop.cancel();
}
