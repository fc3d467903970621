"""Engines that embed on more than one machine. The plain one, for one machine, is `index.embed`.

    source -> blocks of items -> workers, anywhere: `stage` -> staged fragments -> `StagedCommitter`: one commit

Whoever runs the middle (`index.engines.ray_job`) may run a block twice, lose it, or bring blocks in any order: what counts
are the reports that the driver takes, one for each block, in the source's order.
"""
