// A chaincode run as a service, to make blocks of a wanted size: node server.js PACKAGE_ID ADDRESS
'use strict';
const shim = require('fabric-shim');

class Filler {
  async Init() {
    return shim.success();
  }

  // put KEY SIZE: writes SIZE bytes under KEY
  async Invoke(stub) {
    const { fcn, params } = stub.getFunctionAndParameters();
    if (fcn !== 'put' || params.length !== 2) return shim.error('usage: put KEY SIZE');
    await stub.putState(params[0], Buffer.alloc(Number(params[1]), 'x'));
    return shim.success();
  }
}

const [ccid, address] = process.argv.slice(2);
shim.server(new Filler(), { ccid, address }).start();
