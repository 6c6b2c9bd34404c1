"""Gates: the form, asking and waiting, gates that hold no process, answers."""
