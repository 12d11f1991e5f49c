"""`snellen classify --out`: millions of images to a folder of Parquet files, one row for each image.

| Module | What it does |
|---|---|
| `errors` | why a run does not begin, or does not go on |
| `places` | local folders and addresses such as s3://: lists folders, reads bytes |
| `sources` | from the arguments to files in a fixed order; from tar shards and Parquet files to the images in them |
| `inputs` | the list of all images of a run on disk, divided into parts |
| `reading` | the bytes of a few images, within the limit of one file |
| `batch_size` | whether images run one by one or in batches |
| `ahead` | batches ahead of the one that is written next, within limits |
| `rows` | results as columns of Arrow, and the schema |
| `parts` | the output folder: what it was begun with, which parts are whole, and how a part becomes whole |
| `run` | classifies parts in threads, and writes them in their order |
| `on_ray` | the same on Ray Data, with an actor for each engine |
| `progress` | a bar on a terminal, and a line a minute elsewhere |
| `command` | the options of `snellen classify`, and what is said at the end |

`run.classify_parts` classifies any set of parts: what it needs beside the engine lies in the output folder. The service
imports nothing of this package. The command imports it only with `--out`, since it needs `pyarrow`, and `on_ray` only
with `--ray`.
"""
