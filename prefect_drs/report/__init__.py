"""What an execution did: its events, the RecoveryReport folded from them, its renderings for people and programs."""
