"""Plans are made and carried out: the only room that meets both sides."""
