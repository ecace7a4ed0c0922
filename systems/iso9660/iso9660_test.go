package iso9660

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func files() []File {
	return []File{
		{Name: "EFI.IMG", Size: 3 << 20, Align: 1 << 20, Boot: true, Platform: UEFI},
		{Name: "BIOS.IMG", Size: 5000, Boot: true, Platform: BIOS, Load: 4},
		{Name: "README.TXT", Size: 6},
		{Name: "EMPTY"},
	}
}

// write writes a disc whose files have their names in them.
func write(t *testing.T) (string, *Disc) {
	t.Helper()
	d, err := Layout("SYSC_TEST", files())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "disc.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(d.Size); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(f); err != nil {
		t.Fatal(err)
	}
	for _, file := range d.Files {
		if file.Size > 0 {
			if _, err := f.WriteAt([]byte(file.Name)[:min(len(file.Name), int(file.Size))], file.Start); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f.Name(), d
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install xorriso genisoimage", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestReadByIsoinfo(t *testing.T) {
	path, _ := write(t)
	if out := run(t, "isoinfo", "-d", "-i", path); !strings.Contains(out, "Volume id: SYSC_TEST\n") || !strings.Contains(out, "El Torito VD version 1 found") {
		t.Errorf("isoinfo:\n%s", out)
	}
	if out := run(t, "isoinfo", "-f", "-i", path); out != "/BIOS.IMG;1\n/EFI.IMG;1\n/EMPTY.;1\n/README.TXT;1\n" {
		t.Errorf("files:\n%s", out)
	}
	if out := run(t, "isoinfo", "-x", "/README.TXT;1", "-i", path); out != "README" {
		t.Errorf("contents: %q", out)
	}
}

func TestReadByXorriso(t *testing.T) {
	path, d := write(t)
	out := run(t, "xorriso", "-abort_on", "WARNING", "-indev", path, "-report_el_torito", "plain", "-check_media", "--")
	for _, want := range []string{"El Torito boot img :   1  BIOS  y   none", "El Torito boot img :   2  UEFI  y   none"} {
		if !strings.Contains(out, want) {
			t.Errorf("xorriso does not say %q:\n%s", want, out)
		}
	}
	if start := d.File("EFI.IMG").Start; start%(1<<20) != 0 {
		t.Errorf("a file that is to begin at a whole MiB begins at %d", start)
	}
}

func TestRefuses(t *testing.T) {
	for want, change := range map[string]func(f []File) []File{
		"not 1 to 8": func(f []File) []File { f[0].Name = "ninechars.img"; return f },
		"not 1 to 3": func(f []File) []File { f[0].Name = "EFI.IMAGE"; return f },
		"two files":  func(f []File) []File { f[0].Name = f[1].Name; return f },
		"at most":    func(f []File) []File { f[0].Size = 1 << 32; return f },
		"too many": func(f []File) []File {
			for i := range 60 {
				f = append(f, File{Name: "F" + strings.Repeat("0", i/10) + string(rune('0'+i%10))})
			}
			return f
		},
	} {
		if _, err := Layout("X", change(files())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something about %q", err, want)
		}
	}
	if _, err := Layout("small", files()); err == nil {
		t.Error("a label of small letters was accepted")
	}
}
