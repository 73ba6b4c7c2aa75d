package runbook.rotation;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Key;
import runbook.Text;
import runbook.Incident;
import runbook.rotation.Trouble.Kind;

/**
 * A variable in a dotenv file, {@code file:PATH#VAR}. The file is replaced as a whole or not at all; its mode, owner,
 * comments, order, quotes and line ends stay.
 */
record DotenvFile(String name, Path path, String variable) implements SecretStore {
    private static final int LARGEST = 1 << 20;

    /** Named by its whole path, so that a run from another folder means the same file; no shell expands {@code ~} after {@code file:}. */
    static DotenvFile of(String path, String variable) {
        Path absolute = Path.of(
                        path.replaceFirst("^~/", Matcher.quoteReplacement(System.getProperty("user.home") + "/")))
                .toAbsolutePath()
                .normalize();
        return new DotenvFile("file:" + absolute + "#" + variable, absolute, variable);
    }

    // Both are done within this process: the words only show what is done.
    @Override
    public Command reading() {
        return Command.of("rotate-key:", "read", variable, "in", path.toString());
    }

    @Override
    public Command writing() {
        return Command.of("rotate-key:", "replace", variable, "in", path.toString());
    }

    @Override
    public String route() {
        return "by this process, into a 0600 file beside it that is then renamed over it";
    }

    @Override
    public Held inspect(Tool tool) throws Trouble {
        Held held = read(tool);
        Path folder = real().getParent();
        if (!Files.isWritable(folder)) {
            throw new Trouble(
                    Kind.DENIED,
                    "no permission to write in " + folder + ", which replacing the file needs",
                    "sudo chown \"$USER\" " + Text.word(folder.toString()));
        }
        keepable();
        return held;
    }

    // A file that belongs to somebody else would change hands by being replaced, and its application might not read it any more.
    private void keepable() throws Trouble {
        try {
            PosixFileAttributes file = attributes(real());
            String me = System.getProperty("user.name");
            if (file != null && !file.owner().getName().equals(me) && !me.equals("root")) {
                throw new Trouble(
                        Kind.DENIED,
                        path + " belongs to " + file.owner().getName() + ": replacing it would change that",
                        "sudo -u " + file.owner().getName() + " …the same command…");
            }
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return Held.of(assignment(text()).value(), "");
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        Path file = real();
        // One fixed name: should we be killed in between, the next run finds and removes it.
        Path half = file.resolveSibling("." + file.getFileName() + ".rotate-key");
        try {
            String text = text();
            Assignment assignment = assignment(text);
            Files.deleteIfExists(half);
            fill(half, text.substring(0, assignment.begin) + key.reveal() + text.substring(assignment.end));
            keep(attributes(file), half);
            Files.move(half, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new Trouble(
                    Kind.FAILED,
                    path + " cannot be replaced: " + Incident.why(e),
                    "ls -ld " + Text.word(file.getParent().toString()));
        } finally {
            discard(half);
        }
    }

    private static void discard(Path half) {
        try {
            Files.deleteIfExists(half);
        } catch (IOException e) {
            // It was moved, or the folder is gone; a run that can write removes it.
        }
    }

    private static void fill(Path half, String text) throws IOException {
        try (FileChannel channel = posix()
                ? FileChannel.open(
                        half,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
                : FileChannel.open(half, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
        }
    }

    private static void keep(PosixFileAttributes before, Path half) throws IOException {
        if (before != null) {
            PosixFileAttributeView view = Files.getFileAttributeView(half, PosixFileAttributeView.class);
            if (!view.readAttributes().owner().equals(before.owner())) {
                view.setOwner(before.owner());
            }
            if (!view.readAttributes().group().equals(before.group())) {
                view.setGroup(before.group());
            }
            view.setPermissions(before.permissions());
        }
    }

    private static boolean posix() {
        return Path.of("").getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    private static PosixFileAttributes attributes(Path file) throws IOException {
        return posix() ? Files.readAttributes(file, PosixFileAttributes.class) : null;
    }

    private Path real() throws Trouble {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private Trouble unreadable(IOException e) {
        boolean missing = Files.notExists(path);
        return new Trouble(
                missing ? Kind.NOT_FOUND : Kind.DENIED,
                path + " cannot be read: " + Incident.why(e),
                missing
                        ? "find . -name " + Text.word(path.getFileName().toString())
                        : "ls -l " + Text.word(path.toString()));
    }

    // Bytes as they are: a dotenv file need not be UTF-8, and what is not ours must not change.
    private String text() throws Trouble {
        try {
            Path file = real();
            if (!Files.isRegularFile(file) || Files.size(file) > LARGEST) {
                throw new Trouble(Kind.UNFIT, path + " is no dotenv file", "ls -l " + Text.word(path.toString()));
            }
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Where the value stands in the file, quotes left outside. */
    private record Assignment(String value, int begin, int end) { }

    private Assignment assignment(String text) throws Trouble {
        Matcher line = Pattern.compile("(?m)^[ \\t]*(?:export[ \\t]+)?" + Pattern.quote(variable)
                        + "[ \\t]*=[ \\t]*(?:\"([^\"\\r"
                        + "\\n"
                        + "]*)\"|'([^'\\r"
                        + "\\n"
                        + "]*)'|([^\\s\"'#][^\\r"
                        + "\\n"
                        + "]*?|))[ \\t]*(?:[ \\t]#[^\\r"
                        + "\\n"
                        + "]*)?\\r"
                        + "?$")
                .matcher(text);
        if (!line.find()) {
            throw new Trouble(
                    Kind.NOT_FOUND,
                    path + " sets no " + variable,
                    "echo " + variable + "= >> " + Text.word(path.toString()));
        }
        int group = line.group(1) != null ? 1 : line.group(2) != null ? 2 : 3;
        Assignment found = new Assignment(line.group(group), line.start(group), line.end(group));
        if (line.find()) {
            throw new Trouble(
                    Kind.UNFIT,
                    path + " sets " + variable + " more than once: which one counts depends on who reads it",
                    "grep -n " + variable + " " + Text.word(path.toString()) + "   # remove all but one");
        }
        return found;
    }
}
