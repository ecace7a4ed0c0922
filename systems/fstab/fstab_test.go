package fstab

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	got := Format([]Entry{
		{MountPoint: "/srv/b", Device: "/srv/a", Type: Auto, Options: []string{"bind", "ro"}, Check: true},
		{MountPoint: "/data/inner", Device: "LABEL=my disk", Type: "ext4", Options: []string{"nofail"}, Check: true},
		{MountPoint: "/data", Device: "UUID=0a", Type: Auto, Check: true},
		{MountPoint: "/tmp", Type: "tmpfs", Options: []string{"size=1G"}, Check: true},
		{MountPoint: "/", Device: "/dev/sda1", Type: "ext4", Check: true},
		{MountPoint: "/net", Device: `h:/a\b`, Type: "nfs", Check: true},
		{MountPoint: "/plain", Device: "/dev/sdb", Type: "xfs"},
	})
	want := `# Made by sysc of the definition's file systems.
/dev/sda1 / ext4 defaults 0 1
UUID=0a /data auto defaults 0 2
LABEL=my\040disk /data/inner ext4 nofail 0 2
h:/a\134b /net nfs defaults 0 0
/dev/sdb /plain xfs defaults 0 0
/srv/a /srv/b none bind,ro 0 0
tmpfs /tmp tmpfs size=1G 0 0
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	points := []string{"/", "/data", "/data/inner", "/net", "/plain", "/srv/b", "/tmp"}
	if diff := cmp.Diff(points, MountPoints(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	for device, c := range map[string]struct{ kind, options, says string }{
		"/dev/sda1":            {Auto, "", ""},
		"/dev/disk/by-label/x": {"ext4", "", ""},
		"UUID=0a":              {Auto, "", ""},
		"LABEL=a b":            {Auto, "", ""},
		"PARTUUID=0a":          {"xfs", "", ""},
		"PARTLABEL=data":       {"btrfs", "subvol=a", ""},
		"nas:/export":          {"nfs4", "", ""},
		"[fe80::1]:/export":    {"nfs4", "", ""},
		"//nas/share":          {"cifs", "", ""},
		"me@nas:dir":           {"fuse.sshfs", "", ""},
		"/srv/a":               {Auto, "bind", ""},
		"/var/disk.img":        {"ext4", "loop", ""},
		"none":                 {"tmpfs", "", ""},
		"/srv/b":               {Auto, "ro", `with the option "bind"`},
		"/dev/../dev/sda":      {Auto, "", "not clean"},
		"sda1":                 {"ext4", "", "is none of"},
		"UUID=":                {Auto, "", "nothing behind UUID="},
		"":                     {Auto, "", "no device"},
		"/dev/sda2":            {"swap", "", "not mounted"},
		"NAME=x":               {Auto, "", "is none of"},
	} {
		e := &Entry{MountPoint: "/x", Device: device, Type: c.kind, Options: strings.Fields(c.options)}
		err := e.Validate()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q, %s: %v, want %q", device, c.kind, err, c.says)
		}
	}
}

func FuzzMountPoints(f *testing.F) {
	f.Add("# a\n/dev/sda /data\\040x ext4 defaults 0 2\nx\n\\777 /\\7 \\\n", "/a b")
	f.Fuzz(func(t *testing.T, text, point string) {
		for _, p := range MountPoints(text) {
			if !path.IsAbs(p) || path.Clean(p) != p {
				t.Errorf("%q", p)
			}
		}
		point = path.Clean("/" + strings.ReplaceAll(point, "\x00", ""))
		if got := MountPoints(Format([]Entry{{MountPoint: point, Type: "tmpfs"}})); !slices.Equal(got, []string{point}) {
			t.Errorf("%q became %q", point, got)
		}
	})
}
