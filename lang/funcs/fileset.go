package funcs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

const (
	// maxVisited bounds the files and directories that one call looks at.
	maxVisited = 100_000
	// maxPattern is in bytes.
	maxPattern = 4096
)

// fileSet is fileset: the regular files below a directory of the module whose paths
// from there match a pattern. Symbolic links are not followed below it.
func (m Module) fileSet(c eval.Call) (cty.Value, diag.List) {
	none := cty.UnknownVal(cty.Set(cty.String))
	root, dir, diags := m.locate(c.Args[0])
	if diags.HasErrors() {
		return none, diags
	}
	defer root.Close()
	glob, diags := c.Args[1].PlainText("pattern")
	if diags.HasErrors() {
		return none, diags
	}
	pattern, err := globPattern(path.Clean(glob))
	if err != nil {
		return none, diag.Errorf(c.Args[1].Range, "Invalid pattern", "%q is no pattern for file names: %v.", glob, err)
	}
	var names []cty.Value
	seen := map[string]string{}
	visited := 0
	err = root.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == dir:
			return fs.SkipAll // as with Terraform, nothing is in there
		case err != nil:
			return err
		}
		if visited++; visited > maxVisited {
			return errors.New("there are too many files in it")
		}
		rel := strings.TrimPrefix(name, dir+"/")
		if dir == "." {
			rel = name
		}
		shown := norm.NFC.String(rel)
		if !d.Type().IsRegular() || !pattern.MatchString(shown) {
			return nil
		}
		if other, taken := seen[shown]; taken {
			return fmt.Errorf("it has two files whose names differ only in how their characters are composed, %+q and %+q", other, rel)
		}
		seen[shown] = rel
		names = append(names, cty.StringVal(shown))
		return nil
	})
	if err != nil {
		return none, m.fileError(c.Args[0], dir, err)
	}
	if len(names) == 0 {
		return cty.SetValEmpty(cty.String), nil
	}
	return cty.SetVal(names), nil
}

// globPattern makes a regular expression, which takes linear time, of a pattern:
// * is any characters of one name, ** any directories, ? one character, [a-c] and
// [^a-c] one of a class, {x,y} one of alternatives, and \ takes the meaning of the
// character behind it.
func globPattern(glob string) (*regexp.Regexp, error) {
	if len(glob) > maxPattern {
		return nil, errors.New("it is too long")
	}
	var b strings.Builder
	b.WriteString(`\A`)
	braces := 0
	for i := 0; i < len(glob); i++ {
		rest := glob[i:]
		switch c := glob[i]; {
		case strings.HasPrefix(rest, "**/") && (i == 0 || glob[i-1] == '/'):
			b.WriteString(`(?:[^/]+/)*`)
			i += 2
		case rest == "**" && (i == 0 || glob[i-1] == '/'):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 {
				return nil, errors.New("a [ is not closed")
			}
			class := strings.NewReplacer(`[`, `\[`, `&`, `\&`, `~`, `\~`).Replace(rest[1:end])
			if strings.HasPrefix(class, "!") {
				class = "^" + class[1:]
			}
			b.WriteString("[" + class + "]")
			i += end
		case c == '{':
			braces++
			b.WriteString(`(?:`)
		case c == '}' && braces > 0:
			braces--
			b.WriteString(`)`)
		case c == ',' && braces > 0:
			b.WriteString(`|`)
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	if braces > 0 {
		return nil, errors.New("a { is not closed")
	}
	b.WriteString(`\z`)
	return regexp.Compile("(?s)" + b.String())
}
