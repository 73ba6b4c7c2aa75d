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
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.Stream;
import runbook.Checks.Findings;
import runbook.DecisionTree.Diagnosis;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Cli.Launcher;

/**
 * Triage of many accounts. What does not depend on the account is looked at once; each account has limits of its own,
 * so that they are asked side by side, a few dozen at a time to spare this machine.
 */
public final class Fleet {
    private static final int AT_ONCE = 20;
    private static final Set<String> OF_ALL = Set.of("status-page", "network");

    /**
     * One account's verdict, without the answers that it rests on.
     *
     * @param account  whose it is
     * @param exitCode triage's exit code for it
     * @param headline severity and diagnosis in one line
     * @param reason   why
     * @param json     as {@code triage --json} has it
     */
    public record Result(Account account, int exitCode, String headline, String reason, JsonNode json) {
        /** P1 first, then P2 and P3, then what could not be told, then P4, then healthy. */
        int rank() {
            return switch (exitCode) {
                case 11, 12, 13 -> exitCode;
                case Verdict.UNDECIDED -> 14;
                case 0 -> 99;
                default -> 15;
            };
        }
    }

    private final Settings settings;
    private final Launcher launcher;
    private final Function<Account, Optional<Key>> keys;

    /**
     * A fleet's triage.
     *
     * @param keys reads an account's key; a {@link Problem} costs that account its probes, not the others
     */
    public Fleet(Settings settings, Launcher launcher, Function<Account, Optional<Key>> keys) {
        this.settings = settings;
        this.launcher = launcher;
        this.keys = keys;
    }

    /** Each account's result, worst first; equally bad ones in the order given. */
    public List<Result> run(List<Account> accounts) {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE, task -> {
            Thread thread = new Thread(task, "account");
            thread.setDaemon(true);
            return thread;
        });
        try (Checks checkup = new Checks(settings)) {
            Future<Findings> shared = pool.submit(() -> checkup.run(OF_ALL));
            List<Future<Result>> running = accounts.stream()
                    .map(account -> pool.submit(() -> look(checkup, shared.get(), account)))
                    .toList();
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

    private Result look(Checks checkup, Findings shared, Account account) {
        Optional<Key> key = Optional.empty();
        String trouble = account.env() == null ? "its key is empty" : account.env() + " is not set";
        try {
            key = keys.apply(account);
        } catch (Problem problem) {
            trouble = problem.getMessage();
        }
        Verdict verdict = Verdict.of(checkup.again(shared, key));
        String reason = !key.isEmpty()
                ? verdict.reason()
                : verdict.diagnosis() == Diagnosis.KEY_MISSING ? trouble : verdict.reason() + "; " + trouble;
        ObjectNode json = Json.object().put("name", account.name());
        json.setAll((ObjectNode) verdict.json(launcher, null));
        return new Result(
                account,
                verdict.exitCode(),
                verdict.severity().map(severity -> severity + " ").orElse("")
                        + verdict.diagnosis().id(),
                reason,
                json.put("reason", reason));
    }

    /** The exit code of the worst of these results, which are worst first. */
    public static int worst(List<Result> results) {
        return results.get(0).exitCode();
    }

    /**
     * One account of a fleet, and where its private key is; what is not given is null.
     *
     * @param name    what people call it
     * @param env     an environment variable
     * @param file    a file
     * @param command a command that prints it
     */
    public record Account(String name, String env, String file, String command) {
        /** The option that has triage read this account's key, to be pasted into a shell. A command is not shown: it may hold secrets. */
        public String keyOption() {
            return file != null ? "--key-file " + Text.word(file)
                    : "--key-command " + (env != null ? Text.word("printenv " + env) : "COMMAND");
        }
    }

    /**
     * The list of a fleet's accounts: CSV with a header line, or a JSON array of objects. Both have {@code name} and one of
     * {@code env}, {@code file} and {@code command}; a key itself has no place in it.
     */
    public static final class AccountsFile {
        private AccountsFile() { }

        /**
         * Reads it.
         *
         * @throws Problem that names the entry, when the file is unreadable, no such list, or names an account twice
         */
        public static List<Account> read(Path file) {
            try {
                byte[] bytes = Files.readAllBytes(file);
                String text = new String(bytes, StandardCharsets.UTF_8).strip();
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
            try (var rows = new CsvMapper()
                    .readerFor(JsonNode.class)
                    .with(CsvSchema.emptySchema().withHeader().withComments())
                    .<JsonNode>readValues(text)) {
                return rows.readAll();
            }
        }

        private static Account account(JsonNode entry, int number) {
            Account account =
                    new Account(field(entry, "name"), field(entry, "env"), field(entry, "file"), field(entry, "command"));
            long sources = Stream.of(account.env(), account.file(), account.command()).filter(Objects::nonNull).count();
            if (account.name() == null || sources != 1) {
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
            accounts.stream().filter(account -> !names.add(account.name())).findFirst().ifPresent(twice -> {
                throw new Problem("--accounts: " + Text.safe(twice.name(), 60) + " is there twice");
            });
            if (accounts.isEmpty()) {
                throw new Problem("--accounts: no account in it");
            }
            return accounts;
        }
    }
}
