use super::super::fixture::{self, over_the_wire};
use super::*;
use crate::base::KafkaUuid;

fn member_of(number: i32, topics: &[(TopicId, Vec<i32>)]) -> DescribedConsumerMember {
    DescribedConsumerMember {
        id: format!("member-{number}").into(),
        instance: (number == 1).then(|| "instance".into()),
        rack: Some("rack".into()),
        epoch: number,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topics: vec!["orders".into()],
        subscribed_expression: Some("o.*".into()),
        assigned: topics.to_vec(),
        target: topics[..1].to_vec(),
        member_type: 1,
    }
}

fn description(members: Vec<DescribedConsumerMember>) -> ConsumerDescription {
    ConsumerDescription {
        state: "Stable",
        epoch: 8,
        assignment_epoch: 7,
        assignor: "uniform".into(),
        members,
    }
}

fn answer(version: i16, found: Found, rights: Option<Rights>) -> Arc<Answer> {
    Arc::new(Answer {
        image: Arc::new(fixture::image()),
        version,
        rights,
        groups: vec![("group".into(), found)],
    })
}

fn told(version: i16, found: Found, rights: Option<Rights>) -> DescribedGroup {
    let answer = answer(version, found, rights);
    let response = |groups| ConsumerGroupDescribeResponse::default().with_groups(groups);
    let told = streamed::received(version, response, 1, answer.chunks(0));
    told.groups.into_iter().next().expect("a group")
}

const ORDERS: TopicId = KafkaUuid(fixture::ORDERS);

#[test]
fn every_version_is_told_of_a_group() {
    for version in 0..=1 {
        let topics = [
            (ORDERS, vec![0, 2]),
            (KafkaUuid(uuid::Uuid::from_u128(5)), vec![1]),
        ];
        let found = Found::Described(description(vec![member_of(1, &topics)]));
        let told = told(version, found, Some(Rights::all()));
        assert_eq!((told.error_code, &*told.group_state), (0, "Stable"));
        assert_eq!((told.group_epoch, told.assignment_epoch), (8, 7));
        assert_eq!(&*told.assignor_name, "uniform");
        let operations = Rights::all().operations(Resource::group("group"));
        assert_eq!(told.authorized_operations, operations);
        let member = &told.members[0];
        assert_eq!((&*member.member_id, member.member_epoch), ("member-1", 1));
        let texts = [
            &member.instance_id,
            &member.rack_id,
            &member.subscribed_topic_regex,
        ];
        let texts = texts.map(|text| text.as_deref());
        assert_eq!(texts, [Some("instance"), Some("rack"), Some("o.*")]);
        assert_eq!(&*member.subscribed_topic_names[0].0, "orders");
        // The other topic is no more.
        let [row] = member.assignment.topic_partitions.as_slice() else {
            panic!("one topic: {member:?}");
        };
        assert_eq!(
            (row.topic_id, &*row.topic_name.0),
            (fixture::ORDERS, "orders")
        );
        assert_eq!(row.partitions, [0, 2]);
        assert_eq!(member.target_assignment.topic_partitions.len(), 1);
        assert_eq!(member.member_type, if version >= 1 { 1 } else { -1 });
    }
}

#[test]
fn every_version_is_told_of_an_error() {
    for version in 0..=1 {
        let refused = told(version, Found::Refused(ErrorCode::NOT_COORDINATOR), None);
        assert_eq!(refused.error_code, ErrorCode::NOT_COORDINATOR.0);
        assert_eq!(
            (refused.error_message, refused.authorized_operations),
            (None, NOT_ASKED)
        );
        let absent = told(
            version,
            Found::Absent(NotDescribed::Unknown),
            Some(Rights::all()),
        );
        assert_eq!(absent.error_code, ErrorCode::GROUP_ID_NOT_FOUND.0);
        assert_eq!(
            absent.error_message.as_deref(),
            Some("Group group not found.")
        );
        assert_eq!(absent.authorized_operations, NOT_ASKED);
        let hidden = told(version, Found::WithHiddenTopics, None);
        assert_eq!(hidden.error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED.0);
        assert!(hidden.members.is_empty());
    }
}

#[test]
fn a_group_of_many_members_is_told_as_any_other() {
    let members: Vec<_> = (0..300)
        .map(|number| member_of(number, &[(ORDERS, vec![0])]))
        .collect();
    for version in 0..=1 {
        let told = told(
            version,
            Found::Described(description(members.clone())),
            None,
        );
        assert_eq!(told.members.len(), 300);
        let image = fixture::image();
        let rows = members
            .iter()
            .map(|one| over_the_wire(&member(&image, one), version));
        assert!(told.members.iter().cloned().eq(rows));
        assert_eq!(told.group_epoch, 8);
    }
}
