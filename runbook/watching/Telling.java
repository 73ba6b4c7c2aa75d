package runbook.watching;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import runbook.Http;
import runbook.Incident.Event;
import runbook.Message;
import runbook.Settings.Templates;

/** What people are told, and when: on every change of state, and again while it lasts. */
public final class Telling implements AutoCloseable {
    private static final DateTimeFormatter STAMP =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final Map<State, String> ACTIONS = Map.of(
            State.RECOVERING, "It works again; watching until it has held",
            State.FLAPPING, "It comes and goes; watching until it holds",
            State.HEALTHY, "It works; watching until it has held");

    /**
     * How people want to be told.
     *
     * @param webhook  Slack's address; empty to post nothing
     * @param command  run on every change of state
     * @param remind   how often a message is due while it lasts
     * @param internal whether drafts of the internal message are left
     * @param external whether drafts of the external message are left
     * @param lead     the incident lead's name
     */
    public record Choice(
            Optional<URI> webhook,
            Optional<Hook> command,
            Duration remind,
            boolean internal,
            boolean external,
            Optional<String> lead) {}

    private final Choice choice;
    private final Scribe scribe;
    private final Optional<String> drill;
    private final Messenger messenger;
    private final BiConsumer<String, String> say;
    private final Set<String> channels = new TreeSet<>();

    /**
     * @param scribe where what was told is journalled
     * @param say    shows a kind of event and its words
     */
    Telling(Choice choice, Http http, Scribe scribe, Optional<String> drill, BiConsumer<String, String> say) {
        this.choice = choice;
        this.scribe = scribe;
        this.drill = drill;
        this.say = say;
        this.messenger = new Messenger(http, choice.webhook(), choice.command(), this::told);
        choice.webhook().ifPresent(webhook -> channels.add(Messenger.SLACK));
        choice.command().ifPresent(command -> channels.add(Messenger.EXEC));
    }

    /** The ways by which a change is told. */
    Set<String> channels() {
        return channels;
    }

    /** How often a message is due. */
    Duration remind() {
        return choice.remind();
    }

    int pending() {
        return messenger.pending();
    }

    /** Tells of a change. {@code event} is it in the journal; where there is no journal, it is told all the same. */
    void change(Optional<Event> event, State state, State before, String words) {
        if (!scribe.leading()) {
            return;
        }
        Instant at = event.map(Event::at).orElseGet(() -> Instant.now().truncatedTo(ChronoUnit.MILLIS));
        drafts(state, at);
        tell(at, channels, state, before, words);
    }

    /** Tells what an earlier watch was to tell and did not, in its order. */
    void catchUp(List<Past.Untold> untold) {
        for (Past.Untold one : untold) {
            Set<String> still = new TreeSet<>(one.channels());
            still.retainAll(channels);
            if (scribe.leading() && !still.isEmpty()) {
                tell(
                        one.event().at(),
                        still,
                        State.of(one.event().data().path("state").asText()),
                        State.STARTING,
                        one.event().summary());
            }
        }
    }

    /** Posts that it still lasts, unless something is waiting to be accepted already. */
    void remind(State state) {
        if (choice.webhook().isPresent() && messenger.pending() == 0 && scribe.leading()) {
            messenger.tell(new Messenger.Message("", announcement(state, Instant.now()).forSlack(Templates.builtIn()), Map.of()));
        }
    }

    private void tell(Instant at, Set<String> by, State state, State before, String words) {
        String folder = scribe.incident().map(incident -> incident.folder().toString()).orElse("");
        messenger.tell(new Messenger.Message(
                at.toString(),
                by.contains(Messenger.SLACK) ? announcement(state, at).forSlack(Templates.builtIn()) : "",
                by.contains(Messenger.EXEC)
                        ? Messenger.variables(
                                state.word(), before.word(), words, at.toString(), folder, drill.orElse(""))
                        : Map.of()));
    }

    private void drafts(State state, Instant at) {
        Message announcement = announcement(state, at);
        Map<String, String> drafts = new LinkedHashMap<>();
        if (choice.internal()) {
            drafts.put("message-" + STAMP.format(at) + "-internal.md", announcement.internal(Templates.builtIn()));
        }
        if (choice.external()) {
            drafts.put("message-" + STAMP.format(at) + "-external.md", announcement.external(Templates.builtIn()));
        }
        drafts.forEach((name, text) -> {
            if (scribe.leave(name, text.getBytes(StandardCharsets.UTF_8))) {
                say.accept("draft", scribe.incident().orElseThrow().folder().resolve(name).toString());
            }
        });
    }

    /** The message as the journal has it: a person may have said by hand that something was done, or what it is. */
    private Message announcement(State state, Instant at) {
        List<Event> journal = scribe.journal();
        Past past = Past.of(journal);
        Message.State stands =
                state == State.RECOVERED ? Message.State.RESOLVED : Message.State.of(journal);
        if (state != State.RECOVERED && stands == Message.State.RESOLVED) {
            stands = Message.State.INVESTIGATING;
        }
        Message plain = Message.of(
                        Templates.builtIn(), past.diagnosis(), past.severity(), stands, at.truncatedTo(ChronoUnit.SECONDS), journal)
                .withLead(choice.lead().orElse("")).withDrill(drill);
        if (state == State.RECOVERED) {
            return plain;
        }
        Message next = plain.withNext(at.plus(choice.remind()));
        return ACTIONS.containsKey(state) ? next.withAction(ACTIONS.get(state)) : next;
    }

    // On a thread of the messenger's.
    private void told(Messenger.Told told) {
        boolean worked = told.why().isEmpty();
        String what = told.channel().equals(Messenger.SLACK)
                ? "internal message posted to Slack"
                : "--exec " + choice.command().map(Hook::name).orElse("") + " ran";
        if (told.over()) {
            Map<String, Object> data = new LinkedHashMap<>(Map.of(
                    "kind",
                    "told",
                    "channel",
                    told.channel(),
                    "of",
                    told.message().of()));
            if (told.channel().equals(Messenger.SLACK)) {
                data.put("audience", "internal");
                data.put("text", told.message().slack());
            }
            scribe.append(
                    told.channel().equals(Messenger.SLACK) ? Event.ANNOUNCED : Event.NOTE,
                    worked ? what : what + ", but " + told.why(),
                    data);
        }
        say.accept(
                worked ? "told" : "not-told",
                worked
                        ? what
                        : told.channel() + ": " + told.why()
                                + (told.over() ? "" : "; it is tried until it is accepted"));
    }

    /** Waits for what is under way. */
    void settle(Duration most) throws InterruptedException {
        messenger.settle(most);
    }

    @Override
    public void close() {
        messenger.close();
    }
}
