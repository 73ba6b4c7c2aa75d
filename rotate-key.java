///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION The Klaviyo key is dead: replaces it everywhere, verified at every step, and rolls back if anything fails
//SOURCES runbook/ApiChecks.java
//SOURCES runbook/Cli.java
//SOURCES runbook/Http.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/Message.java
//SOURCES runbook/Prometheus.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/Text.java
//SOURCES runbook/Tool.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/redact/View.java
//SOURCES runbook/rotation/Embedded.java
//SOURCES runbook/rotation/Holding.java
//SOURCES runbook/rotation/Probes.java
//SOURCES runbook/rotation/Progress.java
//SOURCES runbook/rotation/Rotation.java
//SOURCES runbook/rotation/Stores.java
//SOURCES runbook/sandbox/FakeKlaviyo.java
//SOURCES runbook/sandbox/Sandbox.java
//SOURCES runbook/sandbox/Sites.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=templates/team.properties
//FILES templates/=templates/redaction.json
//FILES templates/=templates/scenarios.json
//FILES templates/=templates/stores.json
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable
//CDS

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import runbook.*;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.rotation.*;
import runbook.rotation.Progress.Listener;
import runbook.rotation.Progress.Step;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Rotation.Ending;
import runbook.rotation.Stores.Hands;
import runbook.rotation.Stores.Place;
import runbook.sandbox.*;

@Command(name = "rotate-key", mixinStandardHelpOptions = true, version = Cli.VERSION,
        description = {"Replaces a Klaviyo private key everywhere it is used, verified at every step, and rolls back if"
                + " anything fails.", "",
            "Stores: gcp:SECRET[@PROJECT]  aws:SECRET_ID[@REGION][#FIELD]",
            "  azure:VAULT/SECRET  k8s:NAMESPACE/SECRET/FIELD  vault:PATH#FIELD",
            "  github:OWNER/REPO/NAME  heroku:APP/VAR  file:PATH#VAR  exec:COMMAND",
            "Restart targets: k8s:NAMESPACE/deployment/NAME  ecs:CLUSTER/SERVICE[@REGION]",
            "  cloudrun:SERVICE@REGION[@PROJECT]  systemd:UNIT  heroku:APP  exec:COMMAND",
            "More of them: a row in stores.json of --templates.", "",
            "Steps: 1 preflight, 2 test the new key, 3 store, 4 read back, 5 restart,",
            "  6 verify, 7 the old key. A run after a kill goes on where that one was.",
            "Drills that break a step, to see the roll-back: revoked-key:read-back (4),",
            "  revoked-key:restart (5), revoked-key:verify (6)."},
        footerHeading = "%nExit codes: 0 rotated; 21 refused before anything changed; 22 failed, all rolled%n"
                + "  back; 23 failed and not rolled back: the hand-steps are printed; 1 unexpected%n"
                + "  failure; 2 wrong usage; 130 interrupted: run it again.%n%nExamples:%n",
        footer = {"  jbang rotate-key --drill revoked-key",
                  "  jbang rotate-key --to gcp:klaviyo-key@shop --restart k8s:shop/deployment/web"})
class RotateKey implements Callable<Integer>, Listener {
    public static void main(String... args) {
        System.exit(Cli.main(RotateKey::new, args, "--drill", "revoked-key", "--dry-run"));
    }

    @Mixin
    Cli shared = new Cli();
    @Spec
    CommandSpec spec;

    @Option(names = "--to", paramLabel = "STORE", order = 40,
            description = "where the key is kept; repeatable, written in this order")
    List<String> to = List.of();
    @Option(names = "--restart", paramLabel = "TARGET", order = 41,
            description = "what to restart so that it reads the key anew; repeatable")
    List<String> restart = List.of();
    @Option(names = "--new-key-file", paramLabel = "FILE", order = 42,
            description = "the new key from a file, - for standard input (else KLAVIYO_NEW_PRIVATE_KEY,"
                    + " else asked for)")
    String newKeyFile;
    @Option(names = "--new-key-command", paramLabel = "CMD", order = 43,
            description = "the new key from a command's output")
    String newKeyCommand;
    @Option(names = "--account", paramLabel = "ID", order = 44,
            description = "the account the new key must belong to (that of the old key)")
    String account;
    @Option(names = "--needs", paramLabel = "SCOPE", split = ",", order = 45,
            description = "scopes the application needs: events:write,profiles:read (those of the old key;"
                    + " +events:write: that one besides)")
    Set<String> needs = Set.of();
    @Option(names = "--disable-old", order = 46, description = "disable the old key at the end, by Klaviyo's beta API")
    boolean disableOld;
    @Option(names = "--grace", paramLabel = "DURATION", order = 47,
            description = "how long the old key stays enabled then (5m; 2s in a drill)")
    Duration grace;
    @Option(names = "--verify-for", paramLabel = "DURATION", order = 48,
            description = "how long the application may take to be well again (2m; 5s in a drill)")
    Duration verifyFor;
    @Option(names = "--restart-within", paramLabel = "DURATION", defaultValue = "5m", order = 49,
            description = "how long one restart may take (${DEFAULT-VALUE})")
    Duration restartWithin;
    @Option(names = "--tool-timeout", paramLabel = "DURATION", defaultValue = "30s", order = 50,
            description = "how long any other command may take (${DEFAULT-VALUE})")
    Duration toolTimeout;
    @Option(names = "--dry-run", order = 51,
            description = "make every read and check, show what would be run, change nothing")
    boolean dryRun;
    @Option(names = "--roll-back", order = 52, description = "undo an unfinished rotation instead of finishing it")
    boolean rollBack;
    @Option(names = {"-y", "--yes"}, order = 53,
            description = "do not ask; needed where there is no terminal, but in a drill")
    boolean yes;

    private Screen screen;
    private Tool tool;
    private Stores table;
    private List<Place> stores = List.of();
    private volatile Rotation rotation;
    private String heading = "";

    @Override
    public Integer call() throws IOException {
        if (!shared.variant().orElse("verify").matches("read-back|restart|verify")) {
            throw new Problem("--drill …:VARIANT: it is one of read-back, restart, verify");
        }
        screen = shared.screen();
        shared.drill().ifPresent(scenario ->
                screen.heading("DRILL " + scenario + ": everything below is a sandbox, no key of yours is touched"));
        tool = Tool.of(shared.host(), toolTimeout);
        Runtime.getRuntime().addShutdownHook(new Thread(this::interrupted));
        Incident.Choice all = shared.incidents();
        Incident incident = all.current().orElseGet(() -> all.opened(Instant.now()));
        try (Rotation one = new Rotation(wishes(), this)) {
            rotation = one;
            return end(rotation.end(rotate(incident)));
        } finally {
            rotation = null;
        }
    }

    // Called as this process ends, however it ends short of kill -9: in the middle of it where there is a rotation.
    private void interrupted() {
        Rotation running = rotation;
        if (running != null) {
            tool.stop();
            screen.line();
            shared.host().err().println("interrupted: " + running.interrupted());
        }
    }

    // ---- the step of the runbook

    private Ending rotate(Incident incident) {
        try {
            rotation.begin(incident, dryRun || cannotAsk() || stores.isEmpty(), rollBack);
            refuseWrongUsage(incident);
            rotation.resumed().ifPresent(words ->
                    screen.verdict(Mark.WARN, "Going on with the rotation begun at " + words));
            // In a drill without a terminal everything is agreed to.
            rotation.preflight(console().isPresent() || drilled());
            boolean ask = !rollBack && !dryRun && (rotation.resumed().isEmpty() || console().isPresent());
            Optional<Key> fresh = givenKey().or(() -> ask ? Optional.of(askedFor()) : Optional.empty());
            if (rollBack) {
                Ending ending = rotation.rollBack("", fresh);
                if (ending == Ending.PLANNED) {
                    show(rotation.plan());
                }
                return ending;
            } else if (fresh.isEmpty() && !dryRun) {
                return rotation.rollBack("no new key was given, and no store holds the one of the run before", fresh);
            }
            fresh.ifPresent(key -> rotation.probes.trial(key, account -> agreed("The new key belongs to " + account
                    + ". Nothing tells whose the old one was: is that your account?")));
            show(rotation.plan());
            if (dryRun) {
                return fresh.isPresent() ? Ending.PLANNED : Ending.PLANNED.but(
                        "Dry run: nothing has changed. Not tested: the new key, for none was given");
            }
            return yes || agreed("Go ahead?") ? rotation.change() : Ending.REFUSED;
        } catch (Trouble e) {
            return rotation.failed(e);
        }
    }

    // ---- what it is asked to do

    private boolean drilled() {
        return shared.sandbox().isPresent();
    }

    private boolean cannotAsk() {
        return !yes && !drilled() && console().isEmpty();
    }

    // What is in the way first comes first.
    private void refuseWrongUsage(Incident incident) {
        if (rollBack && rotation.resumed().isEmpty()) {
            throw new Problem(Rotation.REFUSED, "--roll-back: there is no unfinished rotation in " + incident);
        } else if (stores.isEmpty()) {
            throw new Problem("--to STORE is missing, where the key is kept: " + table.usages(false, "")
                    + ". And --restart TARGET, so that the application reads it anew: " + table.usages(true, ""));
        } else if (!dryRun && cannotAsk()) {
            throw new Problem("--yes is missing: there is no terminal to ask on. Look first with --dry-run");
        }
    }

    private Rotation.Wishes wishes() throws IOException {
        Hands real = Hands.of(tool);
        Hands hands = drilled() ? drill(shared.sandbox().get(), real) : real;
        table = new Stores(shared.templates(), tool, hands);
        stores = table.places(shared.host(), "--to", to);
        Duration verify = Optional.ofNullable(verifyFor).orElse(Duration.ofSeconds(drilled() ? 5 : 120));
        Duration wait = Optional.ofNullable(grace).orElse(Duration.ofSeconds(drilled() ? 2 : 300));
        // What the postmortem's handover knows by itself, or has no use for, is left out of what is kept.
        Map<String, String> where = new LinkedHashMap<>(shared.launcher().options());
        where.keySet().removeAll(Set.of("incident", "templates", "drill"));
        String kept = (options() + yesIfNeeded() + " " + String.join(" ", where.values())).strip();
        return new Rotation.Wishes(shared.host(), shared.settings(), tool, stores,
                table.places(shared.host(), "--restart", restart), Optional.ofNullable(account), new TreeSet<>(needs),
                restartWithin, verify, wait, disableOld, kept, back -> again(back, yesIfNeeded()));
    }

    // A drill's store is a dotenv file, which the sandbox's application reads at each restart. What the variant names
    // goes wrong once.
    private Hands drill(Sandbox sandbox, Hands hands) throws IOException {
        Path file = Files.createTempDirectory("klaviyo-drill").resolve("app.env");
        Files.writeString(file, "KLAVIYO_PRIVATE_KEY=" + sandbox.appKey() + "\n");
        List.of(file.getParent(), file).forEach(one -> one.toFile().deleteOnExit());
        sandbox.appKeyFile(file, "KLAVIYO_PRIVATE_KEY");
        to = List.of("file:" + file + "#KLAVIYO_PRIVATE_KEY");
        restart = List.of("exec:curl -fsS -X POST " + sandbox.restartUrl());
        Set<String> breaks = new HashSet<>(shared.variant().stream().toList());
        return (command, input, lasting) -> {
            if (command.get(0).equals(Stores.HERE)) {
                // A letter too much, as with a slip of the hand.
                String slip = !input.isEmpty() && breaks.remove("read-back") ? "x" : "";
                return hands.run(command, input + slip, lasting);
            } else if (lasting.isPresent() && breaks.remove("restart")) {
                return new Tool.Output(22, "", "HTTP 500: the application did not start");
            } else if (lasting.isPresent()) {
                sandbox.restartApp(!breaks.remove("verify"));
            }
            return new Tool.Output(0, "", "");
        };
    }

    // ---- the new key

    private Optional<Key> givenKey() {
        if (newKeyFile == null && newKeyCommand == null && drilled()) {
            return shared.sandbox().map(sandbox -> Key.of(sandbox.newKey()));
        }
        try {
            return Key.read(shared.host(), "--new-key", newKeyFile, newKeyCommand, "KLAVIYO_NEW_PRIVATE_KEY")
                    .or(rotation::rediscovered);
        } catch (Problem e) {
            throw new Problem(Rotation.REFUSED, e.getMessage());
        }
    }

    private Key askedFor() {
        screen.line();
        screen.heading("A new key is needed");
        screen.item("  1. ", "In Klaviyo, as Owner, Admin or Manager of the same account: Settings > API keys > Create"
                + " Private API Key");
        screen.item("  2. ", "Name it after today and this application. Scopes: " + rotation.probes.scopesNeeded());
        Console console = console().orElseThrow(() ->
                new Problem("no new key: give --new-key-file, --new-key-command or KLAVIYO_NEW_PRIVATE_KEY"));
        screen.item("  3. ", "Klaviyo shows it once. Copy it, and paste it here; it will not be shown.");
        char[] typed = console.readPassword("New private key: ");
        Key key = Key.of(typed == null ? "" : new String(typed));
        if (key.reveal().isBlank()) {
            throw new Problem(Rotation.REFUSED, "no new key was given: nothing has changed");
        }
        // What was confirmed is what is tested, and what is tested is what is stored.
        boolean more = !key.faults().isEmpty() && key.cleaned().known();
        return more && agreed("That is more than a key: " + key.faults().get(0) + ". Go on with the key in it ("
                + key.cleaned().describe() + ")?") ? key.cleaned() : key;
    }

    // ---- what people are asked

    private Optional<Console> console() {
        return shared.host().terminal() ? Optional.ofNullable(System.console()) : Optional.empty();
    }

    // Only a no is a no: whoever types y meant something else.
    private boolean agreed(String question) {
        if (console().isEmpty()) {
            return drilled();
        }
        screen.line();
        screen.line(question);
        String prompt = (screen.quiet() ? question + " " : "") + "Type yes: ";
        while (true) {
            String answer = String.valueOf(console().orElseThrow().readLine("%s", prompt)).strip();
            if (answer.matches("(?i)yes|no?|null")) {
                return answer.equalsIgnoreCase("yes");
            }
            prompt = "Type yes in full, or no: ";
        }
    }

    // ---- what people see

    private static final Map<String, String> HEADINGS = Map.of(
            "preflight", "1 Preflight", "test", "2 Test the new key", "store", "3 Store", "read-back", "4 Read back",
            "restart", "5 Restart", "verify", "6 Verify", "disable-old", "7 The old key", "roll-back", "Rolling back",
            "by-hand", "By hand, now");

    private void show(List<Step> plan) {
        began("plan");
        for (Step step : plan) {
            screen.item("  " + HEADINGS.get(step.name()) + ": ", step.place());
            step.command().lines().forEach(command -> screen.command(6, command));
            step.done().detail().lines().forEach(words -> screen.item("      ", words));
        }
    }

    @Override
    public void began(String name) {
        if (!heading.equals(name)) {
            heading = name;
            screen.line();
            screen.heading(HEADINGS.getOrDefault(name, "Plan"));
        }
    }

    @Override
    public void ended(Step step) {
        screen.marked(step.done().mark(), "", 0,
                step.words() + (step.millis() > 0 ? " [" + step.millis() + " ms]" : ""));
        step.command().lines().forEach(command -> screen.command(4, command));
        if (!step.done().mend().isEmpty()) {
            screen.item("    ", "To mend:");
            step.done().mend().lines().forEach(line -> screen.command(6, line));
        }
    }

    @Override
    public void waiting(String words) {
        screen.item("    ", words);
    }

    private int end(Ending ending) {
        for (Step hand : rotation.byHand) {
            String commands = hand.done().mend().isEmpty() ? hand.command() : hand.done().mend();
            began("by-hand");
            if (screen.quiet()) {
                screen.verdict(Mark.NONE, "by hand: " + (hand.words() + "\n" + commands).replace("\n", "   "));
            }
            screen.item("  " + (rotation.byHand.indexOf(hand) + 1) + ". ", hand.words());
            commands.lines().forEach(command -> screen.command(6, command));
        }
        screen.line();
        screen.verdict(ending.mark(), ending.verdict() + (rotation.why.isEmpty() ? "" : ". Why: " + rotation.why));
        shared.drill().ifPresent(scenario -> screen.item("  ", "DRILL " + scenario));
        List<String> commands = commands(ending);
        if (ending.exit() == 0 || !rotation.why.isEmpty()) {
            next(ending, commands);
        }
        String command = ending.exit() == 0 || ending == Ending.STUCK ? commands.get(0) : null;
        shared.print(() -> rotation.json(ending).set("advice", Cli.advice("now", ending.next(), command)));
        return ending.exit();
    }

    private void next(Ending ending, List<String> commands) {
        boolean rotated = ending.is(Ending.ROTATED);
        screen.line();
        screen.heading("Next");
        if (rotated && !drilled()) {
            Optional<String> show = stores.stream().flatMap(store -> store.show().stream()).findFirst();
            screen.line("Load the new key in this shell:");
            screen.command(2, show.map(words -> "export KLAVIYO_PRIVATE_KEY=\"$(" + words + ")\"").orElse("read -rs"
                    + " KLAVIYO_PRIVATE_KEY && export KLAVIYO_PRIVATE_KEY   # then paste it: it is not shown"));
        }
        screen.line(ending.next() + ":");
        commands.forEach(command -> screen.command(2, command));
        // After it, a command that gave the key may give the old one.
        shared.launcher().notes().stream().filter(note -> !rotated || !note.endsWith("--key-command"))
                .forEach(screen::line);
        if (rotated) {
            screen.line("The old key: see step 7 above." + (drilled() ? " Each --drill starts a new sandbox: these two"
                    + " show the scenario's start again, with the old key." : ""));
        }
    }

    private List<String> commands(Ending ending) {
        if (!ending.is(Ending.ROTATED)) {
            // A refused look is to be taken again; what it found well is done in earnest.
            String how = dryRun && ending.is(Ending.REFUSED) ? " --dry-run" : yesIfNeeded();
            return List.of(again(rollBack && !ending.name().equals("rolled-back"), how));
        }
        // The file that was given for the key holds the old one.
        boolean kept = newKeyFile != null && !newKeyFile.equals("-");
        Tool.Launcher then = shared.launcher().with("key-file", kept ? newKeyFile : null);
        return List.of(then.line("triage", ""), then.line("watch", ""));
    }

    // The command line that does this, or goes on with it, forward or back, in earnest.
    private String again(boolean back, String more) {
        return shared.launcher().line("rotate-key", options() + rotation.missing + (back ? " --roll-back" : "") + more)
                + (newKeyCommand == null ? "" : "   # and --new-key-command, which is left out here");
    }

    private String yesIfNeeded() {
        return cannotAsk() ? " --yes" : "";
    }

    // This step's options as they were given, a store by the name that it has from every folder; one that may hold a
    // secret is not told.
    private String options() {
        Set<String> left = Set.of("--dry-run", "--roll-back", "--new-key-command");
        List<String> words = new ArrayList<>();
        for (OptionSpec option : new LinkedHashSet<>(spec.commandLine().getParseResult().matchedOptions())) {
            String name = option.longestName();
            List<String> values = name.equals("--to") && !drilled() ? stores.stream().map(Place::name).toList()
                    : option.originalStringValues();
            if (!left.contains(name) && !Cli.shared(option)) {
                values.forEach(value -> words.add(name + (option.arity().max() == 0 ? "" : " " + Text.word(value))));
            }
        }
        return String.join(" ", words);
    }
}
