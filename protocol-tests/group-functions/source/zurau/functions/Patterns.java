package zurau.functions;

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * Random regular expressions, and what RE2/J makes of them.
 *
 * <pre>
 * pattern TEXT                             what is not printable ASCII, blanks and % are bytes of UTF-8, as %20
 * refused WHY
 * + TEXT                                   it matches this text as a whole
 * - TEXT                                   it does not
 * </pre>
 */
final class Patterns {
    /** Everything that means something, or nearly. */
    private static final String[] TOKENS = {
        "a", "b", "k", "S", "Z", "0", "7", "-", "_", ".", " ", "\n", "é", "Σ", "ſ", "😀", "٣", "topic", "\\", "/", "#", "&&", "--", "~~", ",", ":", "<", "=", "!",
        ".*", ".+", "*", "+", "?", "*?", "+?", "??", "**", "{2}", "{2,}", "{2,3}", "{0}", "{0,1}", "{,2}", "{1001}", "{1000}", "{3,2}", "{02}", "{", "}", "{2", "{2,",
        "|", "(", ")", "(?:", "(?i)", "(?i:", "(?-i)", "(?s)", "(?m)", "(?U)", "(?ims-U:", "(?-", "(?x)", "(?P<n>", "(?<n>", "(?<m>", "(?P<", "(?=", "(?!", "(?<=", "(?",
        "^", "$", "\\A", "\\z", "\\Z", "\\b", "\\B", "\\b{start}", "\\G",
        "[", "]", "[^", "[]", "[^]", "[a-c]", "[^a-c]", "[c-a]", "[a-]", "[-a]", "[a-c-e]", "[\\d-z]", "[a&&b]", "[a--b]", "[[a]]", "[\\w\\s]", "[^\\W]", "[\\-\\]]",
        "[[:alpha:]]", "[[:^alpha:]_]", "[[:word:]]", "[[:foo:]]", "[:alpha:]", "[[:]", "[[:a]", "[[:d:]]", "[\\pL]", "[^\\PL]", "[\\x41-\\x{43}]", "[\\Qa\\E]", "[\\b]", "[\\n\\t\\\\]",
        "\\d", "\\D", "\\s", "\\S", "\\w", "\\W", "\\pL", "\\PL", "\\p{Lu}", "\\p{^Lu}", "\\P{^Lu}", "\\p{Greek}", "\\p{greek}", "\\p{Letter}", "\\p{Any}", "\\P{Any}", "\\pN", "\\p{Nd}",
        "\\p{C}", "\\pC", "\\p{Cn}", "\\p{Cs}", "\\p{Unknown}", "\\p{Latin}", "\\p{", "\\p{}", "\\p", "\\pX",
        "\\Q", "\\E", "\\Q.*\\E", "\\Qa|b", "\\C", "\\1", "\\8", "\\0", "\\07", "\\101", "\\377", "\\777", "\\x", "\\x4", "\\x41", "\\x{}", "\\x{41}", "\\x{1F600}", "\\x{d800}", "\\x{110000}",
        "\\.", "\\_", "\\-", "\\/", "\\ ", "\\é", "\\n", "\\t", "\\a", "\\f", "\\v", "\\r", "\\e", "\\h", "\\R", "\\X", "\\cA", "\\u0041", "\\k<n>",
    };
    private static final String[] CHARACTERS = {
        "a", "b", "c", "k", "K", "\u212a", "s", "S", "ſ", "A", "Z", "z", "0", "7", "9", "_", "-", ".", " ", "\n", "\t", "\r", "\u000b", "é", "É", "σ", "ς", "Σ", "ß", "😀", "٣", "中",
        "\\", "*", "|", "[", "]", "{", "}", "2", ",", "&", "^", "$", "/", "\u00a0", "\u2028", "\u0378", "\ue000", "\0", "\u007f", "ª", "Ǆ", "ǅ", "E", "Q", "d", "n", "p", "t", "o", "i", ":",
    };

    private final Random random;
    private final PrintStream out;

    Patterns(long seed, PrintStream out) {
        this.random = new Random(seed);
        this.out = out;
    }

    void print(int count) {
        for (int pattern = 0; pattern < count; pattern++) {
            if (random.nextInt(3) == 0) {
                print(random(TOKENS, 1 + random.nextInt(6)), "");
            } else {
                Sampled sampled = alternatives(3);
                String pattern1 = random.nextInt(6) == 0 ? mutated(sampled.pattern()) : sampled.pattern();
                print(pattern1, sampled.text());
            }
        }
    }

    private void print(String pattern, String sample) {
        if (!isText(pattern)) {
            return;
        }
        out.println("pattern " + written(pattern));
        Pattern compiled;
        try {
            compiled = Pattern.compile(pattern);
        } catch (PatternSyntaxException refused) {
            out.println("refused " + refused.getDescription());
            return;
        }
        Set<String> texts = new TreeSet<>();
        texts.add(sample);
        texts.add(mutated(sample));
        texts.add(pattern.replaceAll("[^A-Za-z0-9é٣]", ""));
        texts.add(random(CHARACTERS, random.nextInt(4)));
        texts.add(random(CHARACTERS, 1));
        for (String text : texts) {
            if (isText(text)) {
                out.println((compiled.matcher(text).matches() ? "+ " : "- ") + written(text));
            }
        }
    }

    /** Half a character is no text. */
    private static boolean isText(String text) {
        return text.equals(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }

    private String random(String[] parts, int count) {
        StringBuilder text = new StringBuilder();
        for (int part = 0; part < count; part++) {
            text.append(parts[random.nextInt(parts.length)]);
        }
        return text.toString();
    }

    /** With a character more, less, or another. */
    private String mutated(String text) {
        int at = random.nextInt(text.length() + 1);
        String more = random.nextInt(3) == 0 ? "" : CHARACTERS[random.nextInt(CHARACTERS.length)];
        int behind = Math.min(text.length(), at + random.nextInt(2));
        return text.substring(0, at) + more + text.substring(behind);
    }

    private record Sampled(String pattern, String text) { }

    private Sampled alternatives(int depth) {
        Sampled chosen = sequence(depth);
        String pattern = chosen.pattern();
        while (random.nextInt(4) == 0) {
            Sampled other = sequence(depth);
            pattern = random.nextBoolean() ? pattern + "|" + other.pattern() : other.pattern() + "|" + pattern;
        }
        return new Sampled(pattern, chosen.text());
    }

    private Sampled sequence(int depth) {
        StringBuilder pattern = new StringBuilder();
        StringBuilder text = new StringBuilder();
        int length = random.nextInt(4);
        for (int part = 0; part < length; part++) {
            Sampled atom = atom(depth);
            pattern.append(atom.pattern());
            int times = 1;
            switch (random.nextInt(8)) {
                case 0 -> { pattern.append(random.nextBoolean() ? "*" : "*?"); times = random.nextInt(3); }
                case 1 -> { pattern.append("+"); times = 1 + random.nextInt(2); }
                case 2 -> { pattern.append(random.nextBoolean() ? "?" : "??"); times = random.nextInt(2); }
                case 3 -> { pattern.append("{1,3}"); times = 1 + random.nextInt(3); }
                default -> { }
            }
            text.append(atom.text().repeat(times));
        }
        return new Sampled(pattern.toString(), text.toString());
    }

    private Sampled atom(int depth) {
        String character = CHARACTERS[random.nextInt(CHARACTERS.length)];
        switch (random.nextInt(depth > 0 ? 12 : 9)) {
            case 0: return new Sampled(".", character);
            case 1: return new Sampled("[" + safe() + "-" + "z" + "]", "m");
            case 2: return new Sampled("[^" + safe() + "]", character);
            case 3: return new Sampled("[" + safe() + quoted(character) + "]", character);
            case 4: return new Sampled(random.nextBoolean() ? "\\d" : "[\\d]", Integer.toString(random.nextInt(10)));
            case 5: return new Sampled(random.nextBoolean() ? "\\w" : "\\W", character);
            case 6: return new Sampled(random.nextBoolean() ? "\\pL" : "\\p{Lu}", character);
            case 7: return new Sampled(random.nextBoolean() ? "^" : random.nextBoolean() ? "$" : "\\b", "");
            case 9: {
                Sampled inner = alternatives(depth - 1);
                return new Sampled("(" + inner.pattern() + ")", inner.text());
            }
            case 10: {
                Sampled inner = alternatives(depth - 1);
                return new Sampled("(?i:" + inner.pattern() + ")", random.nextBoolean() ? inner.text().toUpperCase() : inner.text().toLowerCase());
            }
            case 11: {
                Sampled inner = alternatives(depth - 1);
                return new Sampled("(?sm:" + inner.pattern() + ")", inner.text());
            }
            default: return new Sampled(quoted(character), character);
        }
    }

    private String safe() {
        return "abckKsSAZ079_é".substring(random.nextInt(14)).substring(0, 1);
    }

    private static String quoted(String character) {
        return "\\*|[]{}^$.-&".contains(character) ? "\\" + character : character;
    }

    private static String written(String text) {
        StringBuilder written = new StringBuilder();
        for (byte part : text.getBytes(StandardCharsets.UTF_8)) {
            if (part > ' ' && part < 127 && part != '%') {
                written.append((char) part);
            } else {
                written.append(String.format("%%%02X", part & 0xff));
            }
        }
        return written.toString();
    }
}
