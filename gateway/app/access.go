package app

import (
	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
)

// accessOf returns the access that a configuration gives.
func accessOf(o config.Admin) admin.Access {
	roles := map[config.Role]admin.Role{"read": admin.RoleRead, "admin": admin.RoleAdmin}
	a := admin.Access{Token: o.Token, Users: map[string]admin.User{}, Certificates: map[string]admin.Role{}, Profiles: o.Pprof}
	for _, u := range o.Users {
		a.Users[u.Key] = admin.User{Hash: u.Value.Password, Role: roles[u.Value.Role]}
	}
	for _, c := range o.Certificates {
		a.Certificates[c.Key] = roles[c.Value]
	}
	return a
}
