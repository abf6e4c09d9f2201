"""The bridge: serves the engine over ZeroMQ and OSC, to a DAW, a patch or a script. Imports the engine; never the reverse."""
