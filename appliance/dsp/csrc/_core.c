/* The module: its types and constants. */

#include "binding.h"
#include "multipath.h"
#include "phasor_sum.h"

static int module_exec(PyObject *module)
{
    PyType_Spec *const types[] = {&pp_downconverter_type, &pp_tone_type, &pp_multipath_type, &pp_phasor_sum_type,
                                 &pp_echo_paths_type};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        PyObject *const type = PyType_FromModuleAndSpec(module, types[t], NULL);
        if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) != 0) {
            Py_XDECREF(type);
            return -1;
        }
        Py_DECREF(type);
    }
    if (PyModule_AddIntConstant(module, "MIN_DELAY_FRAMES", PP_MIN_DELAY_FRAMES) != 0 ||
        PyModule_AddIntConstant(module, "PHASOR_MARGIN", PP_PHASOR_MARGIN) != 0) {
        return -1;
    }
    PyObject *const min_emitted_hz = PyFloat_FromDouble(PP_MIN_EMITTED_HZ);
    const int added = PyModule_AddObjectRef(module, "MIN_EMITTED_HZ", min_emitted_hz);
    Py_XDECREF(min_emitted_hz);
    return added;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "appliance.dsp._core",
    .m_doc = "The part of the signal path that runs at the rate of the PCM.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
