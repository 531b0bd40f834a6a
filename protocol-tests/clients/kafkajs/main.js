// Runs the scenario that SCENARIO names, with the client that the connection module on the command line connects.
'use strict'
const scenarios = {
  ...require('./records'), ...require('./group'), ...require('./commits'), ...require('./positions'), ...require('./admin'),
  ...require('./errors'), ...require('./transactions'),
}
const { fail } = require('./session')

process.on('unhandledRejection', (error) => fail(error.stack))
scenarios[process.env.SCENARIO](require(process.argv[2])).then(() => process.exit(0), (error) => fail(error.stack))
