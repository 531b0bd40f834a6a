"""Groups through the admin client: listed, described, their offsets, deleted, and refused when in use."""

from administration import administration
from expectations import check, same, until
from group_ledger import GroupLedger
from group_member import GroupMember, leave_all
from session import PREFIX, consumer, producer, read, send_all, topic

name = topic("administered", 4)
send_all(producer(), name, ({"partition": n % 4, "value": str(n).encode()} for n in range(40)))
admin = administration()
living = PREFIX + "living"

# A living group.
ledger = GroupLedger()
members = [GroupMember(ledger, "living", name, member) for member in ("first", "second")]
until("two equal shares", lambda: ledger.balanced(2, 4))
until("stable", lambda: admin.group(living)[0] == "Stable")
same("described", admin.group(living), ("Stable", "range", ledger.shares()))
check("listed", living in admin.groups())
until("everything is read", lambda: len(ledger.values()) == 40)
same("deleting a group with members", admin.delete_groups(living), {living: "NonEmptyGroupError"})
leave_all(members)
until("empty", lambda: admin.group(living)[0] == "Empty")
same("no members", admin.group(living)[2], {})
check("still listed", living in admin.groups())
same("its offsets", admin.offsets(living), {number: 10 for number in range(4)})

# What is not there.
never = PREFIX + "never-was"
same("offsets of an unknown group", admin.offsets(never), {})
same("deletion, of an unknown group too", admin.delete_groups(living, never), {living: None, never: "GroupIdNotFoundError"})
check("gone from the list", living not in admin.groups())
same("offsets are gone", admin.offsets(living), {})
client = consumer("living")
client.subscribe([name])
same("the group starts over", len(read(client, 40)), 40)
client.close()
