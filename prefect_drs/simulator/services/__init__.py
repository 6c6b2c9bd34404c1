"""The sandbox's additions to moto's services: checks in front of each service, and AWS operations that moto lacks."""
