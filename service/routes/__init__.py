"""HTTP routes: parse, call one function, answer. They do not know each other."""
