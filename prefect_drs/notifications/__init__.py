"""Notifications about an execution, for people and programs: events become messages, messages go to channels.

The stages, in order: `milestones` folds events and makes a `Message` (`message`) of each milestone; `text` and
`commands` write its text, `payload` defines its data; `notifier` hands it to the channels (`channels`), each with its
own thread and bounded queue, and records each delivery or failure in the journal.

Must never: delay a recovery or make it fail, whatever a channel does; put a secret into a message or an error.
This room does not import Prefect; the Prefect channels are in `prefect_drs.orchestration.flow.event_emitter`.
"""
