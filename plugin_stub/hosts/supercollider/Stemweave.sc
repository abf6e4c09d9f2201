/*
stemweave in SuperCollider. Install: Quarks.install("/path/to/this/folder"), recompile; or copy this file into Platform.userExtensionDir.
Start the server, `stemweave serve`, on the machine sclang runs on. Then:

w = Stemweave.new;                                   // or Stemweave(27193) for another OSC port
j = w.separate("~/song.wav", "~/stems");             // any task, see below; paths absolute or from ~
j.on { |job, event, value| [event, value].postln };  // accepted, progress, stem, done, cancelled, error; for windows use { ... }.defer
j.progress; j.state; j.stems; j.error;               // 0 to 1; the last event; path by name; [code, text]
j.cancel;
w.ask("/models") { |... names| names.postln };       // a question: /ping /version /status /models /presets

s.boot;
p = j.load(s) { |stems| stems.play };                // once j is done: buffers, all started in the same sample
p = StemweaveStems.folder(s, "~/stems") { |stems| stems.play(out: (drums: 2), from: 4.0, loop: true) };  // stems from before
p.amp(\drums, 0.2); p.buffers[\bass]; p.stop; p.free;

Arguments are those of the README's table of OSC addresses. want: [\bass, \drums], or nil for what the task takes by default. seed: an
Integer, or a String where it is large.
*/

Stemweave {
	classvar all, <>patience = 5;  // seconds without an answer, after which a job is given up
	var <address, <jobs, waiting, underway, <>verbose = true;

	*initClass { all = Dictionary.new }

	// One for each server: answers tell a job by its id only, and which got an id is known because one job is asked for at a time.
	*new { |port = 27183, host = "127.0.0.1"|
		var key = "%:%".format(host, port);
		all[key] ?? { all[key] = super.new.init(NetAddr(host, port)) };
		^all[key]
	}

	init { |netAddr|
		address = netAddr;
		jobs = Dictionary.new;
		waiting = List.new;
		this.hear("/job/accepted") { |id|
			var job = this.prAnswered;
			if(job.notNil) {
				jobs[id] = job;
				job.hear(\accepted, id);
			}
		};
		#[progress, stem, done, cancelled, error].do { |event|
			this.hear("/job/" ++ event) { |id ... values| jobs[id] !? { |job| job.hear(event, *values) } }
		};
		this.hear("/error") { |code, text|
			var job = this.prAnswered;
			if(job.isNil) { "stemweave: % %".format(code, text).warn } { job.hear(\error, code, text) }
		};
	}

	separate { |path, outdir, seed| ^this.start(\separate, path, outdir, seed) }
	generate { |outdir, seconds, want, seed| ^this.start(\generate, outdir, seconds, want, seed) }
	accompany { |stems, outdir, want, seed| ^this.start(\accompany, stems, outdir, want, seed) }
	infill { |stems, outdir, from, to, want, seed| ^this.start(\infill, stems, outdir, from, to, want, seed) }
	regenerate { |stems, outdir, from, to, want, seed| ^this.start(\regenerate, stems, outdir, from, to, want, seed) }
	continue { |stems, outdir, seconds, want, seed| ^this.start(\continue, stems, outdir, seconds, want, seed) }
	transition { |stems, after, outdir, seconds, seed| ^this.start(\transition, stems, after, outdir, seconds, seed) }
	restyle { |stems, clip, outdir, want, seed| ^this.start(\restyle, stems, clip, outdir, want, seed) }

	// Any task by its name, arguments in the order of its address. The job.
	start { |task ... arguments|
		var job = StemweaveJob(this, task);
		waiting.add(job -> (["/" ++ task] ++ this.prTexts(arguments)));
		if(underway.isNil) { this.prAskNext };
		^job
	}

	// A question without a job; action hears the arguments of the answer.
	ask { |question, action|
		var answer = if(question == "/ping") { "/pong" } { question };
		OSCFunc({ |message| action.value(*message.drop(1)) }, "/stemweave" ++ answer, address).oneShot;
		this.send(question);
	}

	send { |noun ... arguments| address.sendMsg("/stemweave" ++ noun, *arguments) }

	hear { |noun, action|
		OSCFunc({ |message| action.value(*message.drop(1)) }, "/stemweave" ++ noun, address).permanent_(true)
	}

	prAskNext {
		var next = if(waiting.notEmpty) { waiting.removeAt(0) };
		underway = next !? { next.key };
		next !? {
			this.send(*next.value);
			SystemClock.sched(patience) {
				if(underway === next.key) { this.prAnswered.hear(\error, \no_answer, this.prNoAnswer) };
				nil
			}
		}
	}

	// The job that was under way, if any; the next is.
	prAnswered {
		var job = underway;
		this.prAskNext;
		^job
	}

	prNoAnswer { ^"No answer from %:%; is `stemweave serve` running?".format(address.ip, address.port) }

	prTexts { |arguments|
		var given = arguments.size;
		while { given > 0 and: { arguments[given - 1].isNil } } { given = given - 1 };
		^arguments.keep(given).collect { |argument|
			case
			{ argument.isNil } { "-" }
			{ argument.isString } { argument.replace("~/", "~/".standardizePath.withTrailingSlash) }
			{ argument.isArray } { argument.join(",") }
			{ argument }
		}
	}
}

StemweaveJob {
	var <client, <task, <id, <state = \asked, <progress = 0.0, <stems, <error, unwanted = false, actions;

	*new { |client, task| ^super.newCopyArgs(client, task).init }

	init { stems = IdentityDictionary.new }

	// action: called with this job, the event and its values, from now on.
	on { |action| actions = actions.addFunc(action) }

	cancel {
		unwanted = true;  // before it has an id: as soon as it has
		if(id.notNil and: { this.isOver.not }) { client.send("/job/cancel", id) }
	}

	isOver { ^#[done, cancelled, error].includes(state) }

	// The stems in buffers of server, when the job is done. action: called with them when they are there.
	load { |server, action|
		var loaded = StemweaveStems(server);
		if(state == \done) { loaded.read(stems, action) } {
			this.on { |job, event| if(event == \done) { loaded.read(stems, action) } }
		};
		^loaded
	}

	hear { |event ... values|
		if(this.isOver) { ^this };
		if(event != \stem) { state = event };
		switch(event)
		{ \accepted } { id = values[0]; if(unwanted) { this.cancel } }
		{ \progress } { progress = values[0] }
		{ \stem } { stems[values[0]] = values[1].asString }
		{ \done } { progress = 1.0 }
		{ \error } { error = values };
		if(client.verbose) { "stemweave % % %".format(task, event, values.join(" ")).postln };
		actions.value(this, event, *values);
	}
}

StemweaveStems {
	var <server, <buffers, <group, <synths, amps;

	*new { |server| ^super.newCopyArgs(server ? Server.default).init }

	// The stems of a folder: what separate wrote there.
	*folder { |server, path, action|
		var files = PathName(path.standardizePath).files.select { |file| file.extension == "wav" };
		if(files.isEmpty) { "stemweave: there are no WAV files in %".format(path).warn };
		^this.new(server).read(files.collectAs({ |file| file.fileNameWithoutExtension.asSymbol -> file.fullPath }, IdentityDictionary), action)
	}

	init {
		buffers = IdentityDictionary.new;
		amps = IdentityDictionary.new;
	}

	// files: path by name. action: called with these stems when all are in memory.
	read { |files, action|
		var missing = files.size;
		[1, 2].do { |channels| this.prDefine(channels) };
		files.keysValuesDo { |name, path|
			buffers[name] = Buffer.read(server, path, action: {
				missing = missing - 1;
				if(missing == 0) { action.value(this) }
			})
		}
	}

	// All from the same sample on, because in one bundle. out: a bus, or a bus by name; from: seconds.
	play { |out = 0, from = 0, loop = false|
		server.bind {
			this.stop;
			group = Group(server);
			synths = buffers.collect { |buffer, name|
				Synth("stemweave-" ++ buffer.numChannels, [
					out: if(out.isKindOf(Dictionary)) { out[name] ? 0 } { out },
					buffer: buffer, from: from * buffer.sampleRate, loop: loop.binaryValue, amp: amps[name] ? 1
				], group)
			}
		}
	}

	amp { |name, value|
		amps[name] = value;
		if(group.notNil) { synths[name].set(\amp, value) };
	}

	stop {
		group.free;
		group = nil;
	}

	free {
		this.stop;
		buffers.do(_.free);
		buffers.clear;
	}

	prDefine { |channels|
		SynthDef("stemweave-" ++ channels, { |out, buffer, from, loop|
			var amp = \amp.kr(1, 0.02);
			var signal = PlayBuf.ar(channels, buffer, BufRateScale.kr(buffer), 1, from, loop, Done.freeSelf);
			OffsetOut.ar(out, signal.asArray.wrapExtend(2) * amp);
		}).send(server)
	}
}
