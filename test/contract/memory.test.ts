import { MemoryStore } from '../../services/sampler/src/store/memory/memory-store.js'
import { describeRunStore } from './run-store-contract.js'

describeRunStore({
  name: 'memory',
  sequences: 500,
  start: async (epochStarts) => {
    const store = new MemoryStore({ epochStarts })
    return { store, dispose: () => store.close() }
  },
})
