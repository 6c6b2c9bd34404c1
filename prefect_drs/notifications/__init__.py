"""Telling people and programs how an execution goes: from its events to messages, and from messages to channels.

The stages, in order: `milestones` folds events and makes of each milestone a `Message` (`message`), whose text is
written by `text` and `commands` and whose data by `payload`; `notifier` hands it to the channels (`channels`), each
with a thread and a bounded queue of its own, and notes in the journal what became of it.

Must never: hold a recovery up, or let one fail, whatever a channel does; put a secret into a message or an error.
Nothing here knows Prefect; its channels are in `prefect_drs.orchestration.flow.event_emitter`.
"""
