package tap

import (
	"testing"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
