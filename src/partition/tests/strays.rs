//! Replicas that the metadata does not know: a few are set aside, many prevent the start.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::{Clock, FixedClock, KafkaUuid, Timestamp, TopicId};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::metadata::Image;
use crate::partition::testing::Started;
use crate::partition::{Contents, Known, StartError, Unwatched};

use super::directories::{ANY, Home, with_topic};

fn start(home: &Home, known: Known<'_>, settings: &[(&str, &str)]) -> Result<Started, StartError> {
    let config = CurrentConfig::new(Arc::new(
        BrokerConfig::with(settings).expect("a configuration"),
    ));
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
    let directories = home.open();
    let contents = Contents::read(&directories);
    let watch = Arc::new(Unwatched);
    crate::partition::start(config, directories, contents, clock, known, watch).map(Started::from)
}

/// A topic with this many partitions, in both directories, after a clean stop.
fn with_partitions(count: usize) -> (Home, TopicId) {
    let home = Home::new();
    let id = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", id, &vec![ANY; count]);
    home.start(&image).stop(1);
    (home, id)
}

fn strays(home: &Home) -> usize {
    let names = [home.replicas("a"), home.replicas("b")].concat();
    names.iter().filter(|name| name.ends_with("-stray")).count()
}

#[test]
fn many_end_the_start_and_nothing_is_changed_until_that_is_wanted() {
    let (home, _) = with_partitions(8);
    let replicas = [home.replicas("a"), home.replicas("b")];
    let image = Image::default();
    let refused = start(&home, Known::from(&image), &[]).expect_err("a refusal");
    let line = refused.to_string();
    for word in [
        "8 partitions",
        "topic-0",
        "metadata.log.dir",
        "zurau.stray.partitions.max=8",
    ] {
        assert!(line.contains(word) && !line.contains('\n'), "{line}");
    }
    assert_eq!([home.replicas("a"), home.replicas("b")], replicas);
    assert!(
        home.has_marker("a") && home.has_marker("b"),
        "nor is a clean stop forgotten"
    );

    let agreed = [("zurau.stray.partitions.max", "8")];
    start(&home, Known::from(&image), &agreed)
        .expect("an operator has agreed")
        .stop(2);
    assert_eq!(strays(&home), 8);
}

#[test]
fn a_few_are_set_aside_where_others_are_known() {
    let (home, id) = with_partitions(5);
    let (image, _) = with_topic(&Image::default(), "topic", id, &[ANY; 2]);
    let partitions = start(&home, Known::from(&image), &[]).expect("a start");
    assert_eq!(partitions.all().len(), 2);
    partitions.stop(2);
    assert_eq!(strays(&home), 3);
}

#[test]
fn one_is_too_many_where_it_is_all_that_is_there() {
    let (home, _) = with_partitions(1);
    let image = Image::default();
    let refused = start(&home, Known::from(&image), &[]).expect_err("a refusal");
    assert!(refused.to_string().contains("topic-0"), "{refused}");
}

#[test]
fn what_the_log_says_was_deleted_does_not_count() {
    let (home, id) = with_partitions(8);
    let image = Image::default();
    let known = Known {
        image: &image,
        deleted: HashSet::from([id]),
    };
    start(&home, known, &[]).expect("a start").stop(2);
    assert_eq!(strays(&home), 8);
}
