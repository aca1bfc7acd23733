"""Verb → use case; the only module that knows both."""

from parley_messages.usecases.audit import Audit
from parley_messages.usecases.conversation import Conversation
from parley_messages.usecases.erasure import Erasure
from parley_messages.usecases.export import Export
from parley_messages.usecases.grants import Grants
from parley_messages.usecases.images import Images
from parley_messages.usecases.indexing import Indexing
from parley_messages.usecases.journeys import Journeys
from parley_messages.usecases.keys import Keys
from parley_messages.usecases.members import Members
from parley_messages.usecases.moderation import Moderation
from parley_messages.usecases.notifications import Notifications
from parley_messages.usecases.positions import Positions
from parley_messages.usecases.reactions import Reactions
from parley_messages.usecases.receipts import Receipts
from parley_messages.usecases.reports import Reports
from parley_messages.usecases.rooms import Rooms
from parley_messages.usecases.send import SendUseCase
from parley_messages.usecases.sessions import Sessions
from parley_messages.usecases.threads import Threads
from parley_messages.usecases.timeline import Timeline
from parley_messages.usecases.verifying import Verifying
from parley_messages.usecases.visibility import Visibility
from parley_shared.contracts import audit as trail
from parley_shared.contracts import conversation as said
from parley_shared.contracts import indexing as index
from parley_shared.contracts import keys as seals
from parley_shared.contracts import messages as contract
from parley_shared.contracts import moderation as office
from parley_shared.contracts import notifications as told
from parley_shared.contracts import verifying as sound
from parley_shared.contracts import visibility as seen
from parley_shared.contracts.erasure import ERASE_MESSAGES
from parley_shared.contracts.export import EXPORT_MESSAGES
from parley_shared.contracts.images import IMAGES_IN_USE, MAY_SEE_IMAGE
from parley_shared.contracts.journey import JOURNEY
from parley_shared.messaging.rpc import RpcServer


def register(
    server: RpcServer,
    *,
    audit: Audit,
    erasure: Erasure,
    export: Export,
    rooms: Rooms,
    members: Members,
    send: SendUseCase,
    timeline: Timeline,
    conversation: Conversation,
    reactions: Reactions,
    threads: Threads,
    notifications: Notifications,
    positions: Positions,
    receipts: Receipts,
    journeys: Journeys,
    sessions: Sessions,
    visibility: Visibility,
    moderation: Moderation,
    reports: Reports,
    grants: Grants,
    images: Images,
    indexing: Indexing,
    keys: Keys,
    verifying: Verifying,
) -> None:
    server.serve(contract.CREATE_ROOM, rooms.create)
    server.serve(contract.CREATE_DIRECT, rooms.direct)
    server.serve(contract.LIST_ROOMS, rooms.list_mine)
    server.serve(contract.DIRECTORY, rooms.directory)
    server.serve(contract.GET_ROOM, rooms.get)
    server.serve(contract.UPDATE_ROOM, rooms.update)
    server.serve(contract.DELETE_ROOM, rooms.delete)
    server.serve(contract.RESTORE_ROOM, rooms.restore)
    server.serve(contract.JOIN, members.join)
    server.serve(contract.LEAVE, members.leave)
    server.serve(contract.LIST_MEMBERS, members.list)
    server.serve(contract.ADD_MEMBER, members.add)
    server.serve(contract.UPDATE_MEMBER, members.update)
    server.serve(contract.REMOVE_MEMBER, members.remove)
    server.serve(contract.SEND_MANY, send.send_many)
    server.serve(contract.PAGE, timeline.page)
    server.serve(contract.GET_MESSAGE, timeline.get)
    server.serve(contract.RENDER_MESSAGES, timeline.render)
    server.serve(said.EDIT_MESSAGE, conversation.edit)
    server.serve(said.DELETE_MESSAGE, conversation.delete)
    server.serve(said.PIN_MESSAGE, conversation.pin)
    server.serve(said.UNPIN_MESSAGE, conversation.unpin)
    server.serve(said.LIST_PINS, conversation.pins)
    server.serve(said.LIST_REVISIONS, conversation.revisions)
    server.serve(said.ADD_REACTION, reactions.add)
    server.serve(said.REMOVE_REACTION, reactions.remove)
    server.serve(said.GET_THREAD, threads.get)
    server.serve(said.FOLLOW_THREAD, threads.follow)
    server.serve(said.UNFOLLOW_THREAD, threads.unfollow)
    server.serve(contract.ROOM_EVENTS, timeline.room_events)
    server.serve(contract.USER_EVENTS, timeline.user_events)
    server.serve(told.LIST_NOTIFICATIONS, notifications.page)
    server.serve(told.READ_NOTIFICATIONS, notifications.read)
    server.serve(told.SET_NOTIFY, notifications.set_level)
    server.serve(told.LIST_BLOCKS, notifications.blocks)
    server.serve(told.BLOCK_USER, notifications.block)
    server.serve(told.UNBLOCK_USER, notifications.unblock)
    server.serve(said.MESSAGE_STATUS, receipts.status)
    server.serve(JOURNEY, journeys.journey)
    server.serve(contract.MARK_READ, positions.mark_read)
    server.serve(contract.FLUSH_POSITIONS, positions.flush)
    server.serve(contract.OPEN_SESSION, sessions.open)
    server.serve(contract.REPLAY, sessions.replay)
    server.serve(contract.HUB_RANGE, sessions.hub_range)
    server.serve(contract.STREAM_HEADS, sessions.heads)
    server.serve(ERASE_MESSAGES, erasure.erase)
    server.serve(EXPORT_MESSAGES, export.page)
    server.serve(trail.ROOMS_AUDIT, audit.page)
    server.serve(trail.ROOMS_HEADS, audit.heads)
    server.serve(trail.ROOMS_ENTRIES, audit.entries)
    server.serve(seen.MAY_SEE, visibility.may_see)
    server.serve(seen.MAY_TYPE, visibility.may_type)
    server.serve(office.MUTE, moderation.mute)
    server.serve(office.UNMUTE, moderation.unmute)
    server.serve(office.LIST_MUTES, moderation.mutes)
    server.serve(office.BAN, moderation.ban)
    server.serve(office.UNBAN, moderation.unban)
    server.serve(office.LIST_BANS, moderation.bans)
    server.serve(office.REPORT_MESSAGE, reports.report)
    server.serve(office.LIST_ROOM_REPORTS, reports.of_room)
    server.serve(office.LIST_REPORTS, reports.of_all)
    server.serve(office.RESOLVE_REPORT, reports.resolve)
    server.serve(office.GRANT_ACCESS, grants.grant)
    server.serve(MAY_SEE_IMAGE, images.may_see)
    server.serve(IMAGES_IN_USE, images.in_use)
    server.serve(index.INDEX_ROOMS, indexing.rooms)
    server.serve(index.INDEX_RANGES, indexing.ranges)
    server.serve(index.SEARCH_SCOPE, indexing.scope)
    server.serve(seals.ROOM_PRIVACY, keys.privacy)
    server.serve(seals.LIST_ROOM_KEYS, keys.page)
    server.serve(seals.ROTATE_ROOM_KEY, keys.rotate)
    server.serve(seals.DESTROY_ROOM_KEYS, keys.destroy)
    server.serve(seals.REWRAP_ROOM_KEYS, keys.rewrap)
    server.serve(sound.VERIFY_ROOMS, verifying.rooms)
    server.serve(sound.VERIFY_PEOPLE, verifying.people)
