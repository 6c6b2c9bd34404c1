"""What the sandbox adds to moto's services: checks in front of each, and operations of AWS that moto lacks."""
