package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import runbook.Checks.Findings;
import runbook.Cli.Launcher;
import runbook.DecisionTree.Diagnosis;
import runbook.Message.Wording;
import runbook.Settings.Problem;
import runbook.Text.Json;

/**
 * Triage of many accounts. What does not depend on the account is looked at once; each account has limits of its own,
 * so that they are asked side by side, a few dozen at a time to spare this machine.
 */
public final class Fleet {
    private static final int AT_ONCE = 20;
    private static final Set<String> OF_ALL = Set.of("status-page", "network");

    private final Settings settings;
    private final Launcher launcher;
    private final Cli.Host host;

    /** A fleet's triage. A key that cannot be read costs its account the probes, not the others. */
    public Fleet(Settings settings, Launcher launcher, Cli.Host host) {
        this.settings = settings;
        this.launcher = launcher;
        this.host = host;
    }

    /**
     * One account of a fleet by its name, and where its private key is: an environment variable, a file, or a
     * command that prints it; what is not given is null.
     */
    public record Account(String name, String env, String file, String command) {
        /**
         * The option that has triage read this account's key, to be pasted into a shell. A command is not shown: it
         * may hold secrets.
         */
        public String keyOption() {
            String printed = env == null ? "COMMAND" : Text.word("printenv " + env);
            return file == null ? "--key-command " + printed : "--key-file " + Text.word(file);
        }
    }

    /**
     * One account's verdict, without the answers that it rests on: triage's exit code, severity and diagnosis in one
     * line, why, and the JSON of {@code triage --json}.
     */
    public record Result(Account account, int exitCode, String headline, String reason, JsonNode json) {
        /** P1 first, then P2 and P3, then what could not be told, then P4, then healthy. */
        private int rank() {
            return switch (exitCode) {
                case 11, 12, 13 -> exitCode;
                case Verdict.UNDECIDED -> 14;
                case 0 -> 99;
                default -> 15;
            };
        }
    }

    /** Each account's result, worst first; equally bad ones in the order given. */
    public List<Result> run(List<Account> accounts) {
        Map<String, Wording> wording = Wording.all(settings.templates());
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE, task -> {
            Thread thread = new Thread(task, "account");
            thread.setDaemon(true);
            return thread;
        });
        try (Checks checks = new Checks(settings)) {
            Future<Findings> shared = pool.submit(() -> checks.run(OF_ALL));
            List<Future<Result>> running = accounts.stream()
                    .map(account -> pool.submit(() -> look(checks, shared.get(), account, wording))).toList();
            return running.stream().map(Fleet::join).sorted(Comparator.comparingInt(Result::rank)).toList();
        } finally {
            pool.shutdownNow();
        }
    }

    private static Result join(Future<Result> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private Result look(Checks checks, Findings shared, Account account, Map<String, Wording> wording) {
        Optional<Key> key = Optional.empty();
        String trouble = account.env == null ? "its key is empty" : account.env + " is not set";
        try {
            key = account.env != null ? host.env(account.env).map(Key::of)
                    : Key.read(host, "--accounts, " + account.name + ", key", account.file, account.command, "");
        } catch (Problem problem) {
            trouble = problem.getMessage();
        }
        Verdict verdict = Verdict.of(checks.again(shared, key), wording);
        String both = verdict.diagnosis() == Diagnosis.KEY_MISSING ? trouble : verdict.reason() + "; " + trouble;
        String reason = key.isPresent() ? verdict.reason() : both;
        ObjectNode json = Json.object().put("name", account.name);
        json.setAll((ObjectNode) verdict.json(launcher, null));
        return new Result(account, verdict.exitCode(), verdict.name(), reason, json.put("reason", reason));
    }

    /** The exit code of the worst of these results, which are worst first. */
    public static int worst(List<Result> results) {
        return results.get(0).exitCode();
    }

    // ---- the list of accounts

    /**
     * Reads the list: CSV with a header line, or a JSON array of objects. Both have {@code name} and one of {@code
     * env},
     * {@code file} and {@code command}; a key itself has no place in it.
     *
     * @throws Problem that names the entry, when the file is unreadable, no such list, or names an account twice
     */
    public static List<Account> read(Path file) {
        try {
            // Spreadsheets begin a file with a byte order mark.
            String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8).replaceFirst("^\ufeff",
                    "").strip();
            List<Account> accounts = new ArrayList<>();
            for (JsonNode entry : text.startsWith("[") ? Json.read(text) : csv(text)) {
                accounts.add(account(entry, accounts.size() + 1));
            }
            return checked(accounts);
        } catch (IOException e) {
            throw new Problem("--accounts " + Text.safe(file.toString(), 100) + " cannot be read as CSV or JSON: "
                    + Text.safe(Incident.why(e), 120));
        }
    }

    private static List<JsonNode> csv(String text) throws IOException {
        CsvSchema header = CsvSchema.emptySchema().withHeader().withComments();
        try (var rows = new CsvMapper().readerFor(JsonNode.class).with(header).<JsonNode>readValues(text)) {
            return rows.readAll();
        }
    }

    private static Account account(JsonNode entry, int number) {
        Account account = new Account(field(entry, "name"), field(entry, "env"), field(entry, "file"),
                field(entry, "command"));
        long sources = Stream.of(account.env, account.file, account.command).filter(Objects::nonNull).count();
        if (account.name == null || sources != 1) {
            throw new Problem("--accounts: entry " + number + " needs a name, and one of env, file and command");
        }
        return account;
    }

    private static String field(JsonNode entry, String name) {
        String value = entry.path(name).asText("").strip();
        return value.isEmpty() ? null : value;
    }

    private static List<Account> checked(List<Account> accounts) {
        Set<String> names = new HashSet<>();
        accounts.stream().filter(account -> !names.add(account.name)).findFirst().ifPresent(twice -> {
            throw new Problem("--accounts: " + Text.safe(twice.name, 60) + " is there twice");
        });
        if (accounts.isEmpty()) {
            throw new Problem("--accounts: no account in it");
        }
        return accounts;
    }
}
