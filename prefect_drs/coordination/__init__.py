"""What the processes of an execution tell each other through the journals' storage, and recoveries without Prefect.

In: a storage, an execution. Out: messages of people (`messages`), claims of servers (`claims`), the mark of the process
that carries an execution (`process`); a gate that is answered through them (`gate`), and the engine carried out in one
process (`carry_out`). Everything here works without a Prefect server; nothing here imports Prefect.
"""
