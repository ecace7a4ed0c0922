package std

// index says which module declares what. The test of package modules writes it:
// go test ./modules -run TestStandardIndex -update
var index = map[string]string{
	"i18n.locale":            "locale",
	"i18n.settings":          "locale",
	"networking.hosts":       "hosts",
	"networking.interface":   "networkd",
	"networking.nameservers": "networkd",
	"secret":                 "secrets",
	"security.cve":           "cve",
	"security.sudo":          "sudo",
	"services.nginx":         "nginx",
	"services.openssh":       "openssh",
	"services.timer":         "timer",
	"time.timezone":          "timezone",
}
