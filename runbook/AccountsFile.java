package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The list of a fleet's accounts: CSV with a header line, or a JSON array of objects. Both have {@code name} and one of
 * {@code env}, {@code file} and {@code command}; a key itself has no place in it.
 */
public final class AccountsFile {
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
