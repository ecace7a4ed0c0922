package funcs

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// An ignoreRule is one line of a .gitignore file, see gitignore(5). Whether git tracks
// a file plays no part.
type ignoreRule struct {
	dir     string // of the file, from the module's directory on, "." for that itself
	pattern *regexp.Regexp
	// whole is set for a pattern that is about paths from dir on, and not about names.
	whole    bool
	onlyDirs bool
	negated  bool
}

// ignoreRules are those of several files, those that count more behind.
type ignoreRules []ignoreRule

// maxIgnoreRules bounds the rules that hold at one place.
const maxIgnoreRules = 10_000

// parseIgnore reads a .gitignore file of a directory. What is no pattern matches
// nothing, as with git.
func parseIgnore(dir, text string) ignoreRules {
	var rules ignoreRules
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if rule, ok := parseIgnoreLine(strings.TrimRight(line, "\r\n")); ok {
			rule.dir = dir
			rules = append(rules, rule)
		}
	}
	return rules
}

func parseIgnoreLine(line string) (ignoreRule, bool) {
	var r ignoreRule
	if strings.HasPrefix(line, "#") {
		return r, false
	}
	line = trimBlanks(line)
	line, r.negated = strings.CutPrefix(line, "!")
	line, r.onlyDirs = strings.CutSuffix(line, "/")
	r.whole = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" || len(line) > maxPattern {
		return r, false
	}
	// Braces and commas stand for themselves in git.
	pattern, err := globPattern(strings.NewReplacer("{", `\{`, "}", `\}`).Replace(line))
	r.pattern = pattern
	return r, err == nil
}

// trimBlanks removes blanks at the end that no backslash stands in front of.
func trimBlanks(line string) string {
	for strings.HasSuffix(line, " ") && !strings.HasSuffix(line, `\ `) {
		line = line[:len(line)-1]
	}
	return line
}

// ignores reports whether a file or directory is left out, whose path from the
// module's directory on is name. Its directories were asked about before.
func (rules ignoreRules) ignores(name string, isDir bool) bool {
	for _, r := range slices.Backward(rules) {
		if r.onlyDirs && !isDir {
			continue
		}
		text := path.Base(name)
		if r.whole {
			text = name
			if r.dir != "." {
				text = strings.TrimPrefix(name, r.dir+"/")
			}
		}
		if r.pattern.MatchString(text) {
			return !r.negated
		}
	}
	return false
}
