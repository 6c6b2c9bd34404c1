"""Gates: the form, opening a gate and waiting for its answer, gates without a process, answers."""
