package runbook.bundle;

import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** Names of archive entries that every system can unpack: no path leaves the folder, nothing that Windows reserves, no two alike. */
final class EntryNames {
    private static final int LONGEST = 80;
    private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com\\d|lpt\\d)(\\..*)?");
    private final Set<String> taken = new HashSet<>();

    /** One folder's or file's name made safe: letters, digits, dots, dashes and underscores, of at most 80 characters. */
    static String safe(String name) {
        String plain = name.replaceAll("[^\\p{L}\\p{N}._=@+-]+", "_").replaceAll("^[._]+|[._]+$", "");
        // The end of a long path tells more than its beginning.
        String shorter = plain.length() <= LONGEST
                ? plain
                : plain.substring(plain.length() - LONGEST).replaceAll("^[._]+", "");
        return shorter.isEmpty() ? "unnamed" : RESERVED.matcher(shorter).matches() ? "_" + shorter : shorter;
    }

    /** The path, or one with a number when there is one that differs in nothing but case. */
    synchronized String unique(String path) {
        String candidate = path;
        int dot = path.lastIndexOf('.') > path.lastIndexOf('/') ? path.lastIndexOf('.') : path.length();
        for (int number = 2; !taken.add(candidate.toLowerCase(Locale.ROOT)); number++) {
            candidate = path.substring(0, dot) + "-" + number + path.substring(dot);
        }
        return candidate;
    }

    /** Whether a name from an archive stays within the folder it is unpacked to, on any system. */
    static boolean harmless(String name) {
        if (name.isEmpty()
                || name.startsWith("/")
                || name.contains("\\")
                || name.contains(":")
                || name.indexOf('\0') >= 0) {
            return false;
        }
        for (String part : name.split("/")) {
            if (part.isEmpty() || part.equals(".") || part.equals("..") || RESERVED.matcher(part).matches()) {
                return false;
            }
        }
        return true;
    }
}
