"""The bridge: serves the engine over ZeroMQ and OSC, to a DAW, a patch or a script. Imports the engine; never the reverse.

A job's way through the server (server.py: one loop, which only passes messages on):
    doors, pairing, keys    who may come in; ports: where
    protocol, PROTOCOL.md   what is said; osc/: the same in OSC
    answers, limits         how it is answered, and what is refused; contexts: jobs of several tracks
    intake, proofs, hashing the song is written and its checksum made, in threads; transfer, lane: how it comes
    jobs, spool, ledger     what was asked and where its audio lies, also after a kill; audio_store: songs that came before; costs
    dispatch, workers       into the process that has the model, or ray_workers; files, folders: jobs on files
    delivery                what the client hears of it
    bell, logs, metrics, errors

Beside the server: client, cli/, doctor, demo, play, bench/.
"""
