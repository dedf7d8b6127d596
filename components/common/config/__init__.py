"""The types of config sections: what a user may write, and what each step is handed.

A class `Train` is the section as it stands in the YAML; `TrainArgument` is what the step receives: the section
and the little it needs to know of the table (target, kinds of columns), nothing of other steps, so that a cache
keyed by it is exact. Each is imported from its own module: a step reruns when a module that it imports has changed.
"""
