package pgconn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A SessionConfig is how to connect, and what a session is to have set.
type SessionConfig struct {
	*pgx.ConnConfig
	// Settings are those of the URL. They are no startup parameters, which poolers refuse or drop. [Connect] applies them.
	Settings []Setting
}

// Copy returns a copy that may be changed.
func (c *SessionConfig) Copy() *SessionConfig {
	return &SessionConfig{c.ConnConfig.Copy(), slices.Clone(c.Settings)}
}

// startupParams are the settings that poolers keep for each client.
var startupParams = []string{"application_name", "client_encoding", "standard_conforming_strings"}

// takeSettings moves the settings out of the startup parameters.
func takeSettings(c *pgx.ConnConfig) (settings []Setting) {
	set := func(name, value string) {
		name = strings.ToLower(name)
		if slices.Contains(startupParams, name) {
			if c.RuntimeParams[name] == "" {
				c.RuntimeParams[name] = value
			}
			return
		}
		settings = slices.DeleteFunc(settings, func(s Setting) bool { return s.Name == name })
		settings = append(settings, Setting{name, value})
	}
	left, found := splitOptions(c.RuntimeParams["options"])
	if delete(c.RuntimeParams, "options"); left != "" { // such as endpoint=..., by which a hosted pooler finds the server
		c.RuntimeParams["options"] = left
	}
	for _, s := range found {
		set(s.Name, s.Value)
	}
	for name, value := range c.RuntimeParams {
		if name != "options" && !slices.Contains(startupParams, strings.ToLower(name)) {
			delete(c.RuntimeParams, name)
			set(name, value)
		}
	}
	slices.SortFunc(settings, func(a, b Setting) int { return settingOrder(a.Name, b.Name) })
	return settings
}

// settingOrder compares names. A role comes last: it may lack the right to set the others.
func settingOrder(a, b string) int {
	rank := func(name string) int { return slices.Index([]string{"session_authorization", "role"}, name) }
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// splitOptions returns the settings in a text of command line options (-c name=value, --name=value), and the options that are
// none. A backslash escapes a space.
func splitOptions(text string) (left string, settings []Setting) {
	var words []string
	var word strings.Builder
	for i, inWord := 0, false; i <= len(text); i++ {
		switch {
		case i == len(text) || strings.IndexByte(" \t\n\r\f\v", text[i]) >= 0:
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
			continue
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		word.WriteByte(text[i])
		inWord = true
	}
	var others []string
	for i := 0; i < len(words); i++ {
		assignment, isSetting := strings.CutPrefix(words[i], "--")
		if !isSetting {
			assignment, isSetting = strings.CutPrefix(words[i], "-c")
		}
		used := 1
		if isSetting && assignment == "" && i+1 < len(words) {
			assignment, used = words[i+1], 2
		}
		name, value, ok := strings.Cut(assignment, "=")
		if isSetting && ok {
			settings = append(settings, Setting{strings.ReplaceAll(name, "-", "_"), value})
			i += used - 1
			continue
		}
		others = append(others, strings.ReplaceAll(strings.ReplaceAll(words[i], `\`, `\\`), " ", `\ `))
	}
	return strings.Join(others, " "), settings
}

// Connect opens a session with the settings of its configuration. Behind a pooler it applies them only where the session belongs to
// the connection (see [VerifySession]): else they would reach other clients.
func Connect(ctx context.Context, config *SessionConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil || len(config.Settings) == 0 {
		return conn, err
	}
	if _, err := VerifySession(ctx, conn, config.ConnConfig); err != nil {
		Close(conn)
		return nil, fmt.Errorf("cannot apply the settings of the URL (%s): %w", config.settingNames(), err)
	}
	if err := config.applySettings(ctx, conn); err != nil {
		Close(conn)
		return nil, err
	}
	return conn, nil
}

// applySettings applies the settings to a session that belongs to the connection.
func (c *SessionConfig) applySettings(ctx context.Context, conn *pgx.Conn) error {
	if len(c.Settings) == 0 {
		return nil
	}
	if _, err := conn.PgConn().Exec(ctx, SetSQL(c.Settings, false)).ReadAll(); err != nil {
		return &unusableSession{fmt.Sprintf("cannot apply the settings of the URL (%s): %v: correct them, or remove them and use ALTER ROLE ... SET", c.settingNames(), Summarize(err))}
	}
	return nil
}

// settingNames returns the names of the settings. Values may be secret.
func (c *SessionConfig) settingNames() string {
	var names []string
	for _, s := range c.Settings {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
