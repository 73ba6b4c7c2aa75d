package runbook.rotation;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.regex.*;
import runbook.*;
import runbook.rotation.Progress.Trouble;

/**
 * A key that is only part of what is stored, a text of a JSON document or a variable of a dotenv file: replaced byte
 * for byte, with all around it as it was. In JSON it begins and ends with its quotes, in a dotenv file within them.
 */
record Embedded(String whole, String value, int begin, int end) {
    String replaced(String part) {
        return whole.substring(0, begin) + part + whole.substring(end);
    }

    /** The text of that name at the top of a JSON document; empty where there is none, or no JSON. */
    static Optional<Embedded> field(String document, String name) {
        try (JsonParser parser = new JsonFactory().createParser(document.toCharArray())) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean found = parser.currentName().equals(name);
                if (parser.nextToken() == JsonToken.VALUE_STRING && found) {
                    int begin = (int) parser.currentTokenLocation().getCharOffset();
                    // Its end is known once it is read.
                    String value = parser.getText();
                    int end = (int) parser.currentLocation().getCharOffset();
                    return Optional.of(new Embedded(document, value, begin, end));
                }
                parser.skipChildren();
            }
        } catch (IOException e) {
            // No JSON: it has no field either.
        }
        return Optional.empty();
    }

    // ---- in a dotenv file

    private static final int LARGEST = 1 << 20;
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("unix");

    /**
     * Does, as a tool would, {@code rotate-key: read VAR in FILE} or {@code rotate-key: replace VAR in FILE} by the
     * value in {@code input}. The file is replaced as a whole or not at all; mode, owner, group, access lists and
     * extended attributes stay as they are, or it is not replaced.
     */
    static Tool.Output run(Tool tool, List<String> command, String input) {
        String name = command.get(4);
        try {
            Path file = Path.of(name).toRealPath();
            Embedded assigned = assignment(file, name, command.get(2));
            if (command.get(1).equals("read")) {
                refuseUnfit(file, name);
                return new Tool.Output(0, assigned.value, "");
            }
            replace(tool, file, name, assigned.replaced(input));
            return new Tool.Output(0, "", "");
        } catch (IOException e) {
            throw new Trouble(name + " cannot be read, or replaced: " + Incident.why(e),
                    "ls -ld " + Text.word(name) + " " + Text.word(Path.of(name).getParent().toString()));
        }
    }

    private static void refuseUnfit(Path file, String name) throws IOException {
        String me = System.getProperty("user.name");
        String owner = POSIX ? Files.getOwner(file).getName() : me;
        Trouble.when(!Files.isWritable(file.getParent()), "no permission to write in " + file.getParent()
                + ", which replacing the file needs", "sudo chown \"$USER\" " + Text.word(file.getParent().toString()));
        Trouble.when(!owner.equals(me) && !me.equals("root"), name + " belongs to " + owner
                + ": replacing it would change that", "sudo -u " + owner + " …the same command…");
        Trouble.when(POSIX && (int) Files.getAttribute(file, "unix:nlink") > 1, name
                + " is a hard link: the file's other names would keep the old key",
                "find / -xdev -samefile " + Text.word(name) + "   # then make it a symbolic link");
    }

    // Bytes as they are: a dotenv file need not be UTF-8, and what is not ours must not change.
    private static Embedded assignment(Path file, String name, String variable) throws IOException {
        String quoted = Text.word(name);
        Trouble.when(!Files.isRegularFile(file) || Files.size(file) > LARGEST, name + " is no dotenv file",
                "ls -l " + quoted);
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        // Nothing in it that a shell would take for its own.
        Matcher line = Key.assignment(Pattern.quote(variable), "[^\\s\"';&|$`\\\\]*").matcher(text);
        Trouble.when(!line.find(), name + " sets no " + variable + ", or not by a plain value in a line of its own",
                "grep -n " + variable + " " + quoted, "echo " + variable + "= >> " + quoted + "   # where it is new");
        Embedded found = new Embedded(text, line.group(3), line.start(3), line.end(3));
        Trouble.when(line.find(), name + " sets " + variable + " more than once: which one counts depends on who"
                + " reads it", "grep -n " + variable + " " + quoted + "   # remove all but one");
        return found;
    }

    private static void replace(Tool tool, Path file, String name, String text) throws IOException {
        Path half = half(file);
        tidy(name);
        try {
            // Nobody else can look into the folder while the copy has not yet all that protects it.
            Files.createDirectory(half.getParent(), Incident.mode("rwx------"));
            Files.copy(file, half, StandardCopyOption.COPY_ATTRIBUTES);
            Files.writeString(half, text, StandardCharsets.ISO_8859_1, StandardOpenOption.WRITE,
                    StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.SYNC);
            Trouble.when(!attributes(tool, file).equals(attributes(tool, half)),
                    name + " has an owner, access list or attributes that a new file would not have",
                    "ls -l " + Text.word(name) + "   # or write it by --to 'exec:…'");
            Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            tidy(name);
        }
    }

    // In a folder of one fixed name: should we be killed in between, the next run finds it.
    private static Path half(Path file) {
        return file.resolveSibling("." + file.getFileName() + ".rotate-key").resolve(file.getFileName());
    }

    /** Removes the half of a file that a replacing which was cut short has not put in its place. */
    static void tidy(String name) {
        Path half = half(real(name));
        List.of(half, half.getParent()).forEach(one -> one.toFile().delete());
    }

    /** The file itself, where a link leads to it; as it is named, where there is none. */
    static Path real(String name) {
        try {
            return Path.of(name).toRealPath();
        } catch (IOException e) {
            return Path.of(name);
        }
    }

    // Java copies access lists and extended attributes where it can, silent where it cannot: ls shows a + or @.
    private static List<Object> attributes(Tool tool, Path file) throws IOException {
        UserDefinedFileAttributeView view = Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
        List<Object> all = new ArrayList<>(view == null ? Set.of() : new TreeSet<>(view.list()));
        try {
            all.addAll(POSIX ? Files.readAttributes(file, "unix:mode,uid,gid").values() : List.of());
            all.add(tool.run(List.of("ls", "-ld", file.toString())).out().split(" ")[0]);
        } catch (Tool.Failure e) {
            // No ls: what Java sees has to do.
        }
        return all;
    }
}
